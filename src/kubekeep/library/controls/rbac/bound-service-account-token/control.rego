package kubekeep.controls.bound_service_account_token

import data.kubekeep.lib.accounts
import data.kubekeep.lib.identity

namespace := identity.namespace_of(input.object)

account := identity.account_of(input.workload.spec)

violation contains {"path": path, "fix": false, "message": message} if {
	bindings := input.cluster.grants.bound[namespace][account]
	accounts.mounts(input.workload.spec)
	path := sprintf("%s.automountServiceAccountToken", [input.workload.path])
	message := sprintf("the token of service account %s/%s is mounted, with the permissions of %s", [
		namespace,
		account,
		concat(", ", bindings),
	])
}

not_evaluated contains message if {
	some message in accounts.unknown_bindings(namespace, account)
	accounts.mounts(input.workload.spec)
}
