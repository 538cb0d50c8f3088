package kubekeep.controls.automatic_service_account_token

import data.kubekeep.lib.place

violation contains {"path": sprintf("%s.automountServiceAccountToken", [input.workload.path]), "fix": false} if {
	mounts
	not mirrored
}

# The pod's own word is the last (Kubernetes docs, Configure Service Accounts for Pods).
mounts if object.get(input.workload.spec, "automountServiceAccountToken", null) == true

mounts if {
	object.get(input.workload.spec, "automountServiceAccountToken", null) == null
	not account_declines
}

# The API server gives no token to the mirror of a static pod.
mirrored if input.object.metadata.annotations["kubernetes.io/config.mirror"]

# Files may define an account several times; it declines if all of them say so.
account_declines if {
	accounts := data.cluster.named.ServiceAccount[place.namespace][place.account]
	every item in accounts {
		item.automountServiceAccountToken == false
	}
}

# Where workloads use the account, the verdict is theirs.
violation contains {"path": "automountServiceAccountToken", "fix": false} if {
	input.object.kind == "ServiceAccount"
	input.object.automountServiceAccountToken == true
	not data.cluster.account_users[place.namespace][input.object.metadata.name]
}
