package kubekeep.controls.automatic_service_account_token

import data.kubekeep.lib.accounts
import data.kubekeep.lib.identity

violation contains {
	"path": sprintf("%s.automountServiceAccountToken", [input.workload.path]),
	"fix": false,
	"message": sprintf("automountServiceAccountToken is not set to false (service account %s)", [
		identity.account_of(input.workload.spec),
	]),
} if {
	input.object.kind != "ServiceAccount"
	accounts.mounts(input.workload.spec)
}

# If workloads use the account, they are evaluated instead.
violation contains {
	"path": "automountServiceAccountToken",
	"fix": false,
	"message": "automountServiceAccountToken is true: pods get a token of this service account",
} if {
	input.object.kind == "ServiceAccount"
	input.object.automountServiceAccountToken == true
	not input.cluster.account_users[identity.namespace][input.object.metadata.name]
}
