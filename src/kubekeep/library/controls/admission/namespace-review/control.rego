package kubekeep.controls.namespace_review

import data.kubekeep.lib.admission

# Only a person knows where the borders belong, so each namespace is listed.
violation contains {"path": "", "message": message} if {
	name := object.get(object.get(input.object, "metadata", {}), "name", "")
	not admission.system(name)
	message := sprintf("review who answers for what is in namespace %v, and whether it is needed", [name])
}
