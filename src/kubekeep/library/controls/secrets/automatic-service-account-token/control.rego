package kubekeep.controls.automatic_service_account_token

import data.kubekeep.lib.accounts
import data.kubekeep.lib.place

violation contains {"path": sprintf("%s.automountServiceAccountToken", [input.workload.path]), "fix": false} if {
	input.object.kind != "ServiceAccount"
	accounts.mounts(input.workload.spec)
}

# Where workloads use the account, the verdict is theirs.
violation contains {"path": "automountServiceAccountToken", "fix": false} if {
	input.object.kind == "ServiceAccount"
	input.object.automountServiceAccountToken == true
	not input.cluster.account_users[place.namespace][input.object.metadata.name]
}
