package kubekeep.controls.default_service_accounts_unused

import data.kubekeep.lib.accounts

applies if input.object.kind == "Namespace"

applies if input.object.metadata.name == "default"

violation contains {"path": "automountServiceAccountToken", "fix": false, "message": message} if {
	input.object.kind == "ServiceAccount"
	object.get(input.object, "automountServiceAccountToken", null) != false
	message := "the default service account gives its token to all pods that name no account"
}

violation contains {"path": "", "message": message} if {
	input.object.kind == "Namespace"
	name := input.object.metadata.name
	not has_own_account(name)
	not accounts.declined(name, "default")
	message := sprintf("namespace %s has no service account but the default one", [name])
}

has_own_account(namespace) if {
	some name, _ in input.cluster.named.ServiceAccount[namespace]
	name != "default"
}
