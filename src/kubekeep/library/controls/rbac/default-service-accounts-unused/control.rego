package kubekeep.controls.default_service_accounts_unused

import data.kubekeep.lib.accounts

applies if input.object.kind == "Namespace"

applies if input.object.metadata.name == "default"

violation contains {"path": "automountServiceAccountToken", "fix": false, "message": message} if {
	input.object.kind == "ServiceAccount"
	object.get(input.object, "automountServiceAccountToken", null) != false
	message := "automountServiceAccountToken of the default service account is not set to false"
}

violation contains {"path": "", "message": message} if {
	input.object.kind == "Namespace"
	name := input.object.metadata.name
	not has_own_account(name)
	not accounts.opts_out(name, "default")
	message := sprintf("namespace %s has only the default service account", [name])
}

has_own_account(namespace) if {
	some name, _ in input.cluster.named.ServiceAccount[namespace]
	name != "default"
}
