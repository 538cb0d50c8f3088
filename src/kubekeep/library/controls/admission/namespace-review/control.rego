package kubekeep.controls.namespace_review

import data.kubekeep.lib.admission

# Whether the namespaces separate the workloads needs a manual review, so each namespace is reported.
violation contains {"path": "", "message": message} if {
	name := object.get(object.get(input.object, "metadata", {}), "name", "")
	not admission.system(name)
	message := sprintf("review namespace %v: it must be required and belong to one team or application", [name])
}
