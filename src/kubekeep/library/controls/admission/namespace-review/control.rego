package kubekeep.controls.namespace_review

import data.kubekeep.lib.admission

# The separation of workloads by namespaces needs a manual review, so each namespace is reported.
violation contains {"path": "", "message": message} if {
	name := object.get(object.get(input.object, "metadata", {}), "name", "")
	not admission.system(name)
	message := sprintf("review namespace %v: it must be required and belong to one team or application", [name])
}
