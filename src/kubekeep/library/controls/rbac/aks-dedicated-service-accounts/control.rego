package kubekeep.controls.aks_dedicated_service_accounts

import data.kubekeep.lib.accounts

violation contains {"path": path, "message": message} if {
	some index
	subject := input.object.subjects[index]
	accounts.named(subject, "default")
	path := sprintf("subjects[%d]", [index])
	message := sprintf("the default service account is bound to %s %s: pods use it unless they set another", [
		input.object.roleRef.kind,
		input.object.roleRef.name,
	])
}
