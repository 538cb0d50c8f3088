package kubekeep.controls.automatic_service_account_token

import data.kubekeep.lib.accounts
import data.kubekeep.lib.identity

violation contains {
	"path": sprintf("%s.automountServiceAccountToken", [input.workload.path]),
	"fix": false,
	"message": sprintf("automountServiceAccountToken is %s (service account %s)", [setting(input.workload.spec), account]),
	"exempt_by": exempting(account),
} if {
	input.object.kind != "ServiceAccount"
	account := identity.account_of(input.workload.spec)
	not needed(identity.namespace_of(input.object), account)
	accounts.mounts(input.workload.spec)
}

# If workloads use the account, they are evaluated instead.
violation contains {
	"path": "automountServiceAccountToken",
	"fix": false,
	"message": "automountServiceAccountToken is true: pods get a token of this service account",
	"exempt_by": exempting(input.object.metadata.name),
} if {
	input.object.kind == "ServiceAccount"
	input.object.automountServiceAccountToken == true
	not needed(identity.namespace, input.object.metadata.name)
	not input.cluster.account_users[identity.namespace][input.object.metadata.name]
}

# A binding to the account is for a program that calls the API server. `default` is the account of all programs without
# one of their own.
needed(namespace, account) if {
	exempting(account) != []
	input.cluster.grants.bound[namespace][account]
}

# Kinds that exempt an account.
exempting(account) := [] if account == "default" else := ["rbac-subject"]

setting(spec) := "true" if {
	object.get(spec, "automountServiceAccountToken", null) == true
} else := "not set to false"
