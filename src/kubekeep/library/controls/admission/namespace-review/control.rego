package kubekeep.controls.namespace_review

import data.kubekeep.lib.admission

# Whether the namespaces separate the workloads needs a manual review, so each namespace is reported.
violation contains {"path": "", "message": message} if {
	name := object.get(object.get(input.object, "metadata", {}), "name", "")
	not admission.system(name)
	message := sprintf("review who answers for what is in namespace %v, and whether it is needed", [name])
}
