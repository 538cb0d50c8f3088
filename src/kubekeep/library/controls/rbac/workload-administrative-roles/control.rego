package kubekeep.controls.workload_administrative_roles

import data.kubekeep.lib.accounts
import data.kubekeep.lib.identity
import data.kubekeep.lib.rbac

namespace := identity.namespace_of(input.object)

account := identity.account_of(input.workload.spec)

grants := accounts.cluster_wide(namespace, account)

violation contains {"path": accounts.path(input.workload), "message": message} if {
	roles := {grant.role.metadata.name |
		some grant in grants
		count(rbac.granting(grant.role.rules, {"": {"*"}}, {"*"})) > 0
	}
	count(roles) > 0
	accounts.holds_token(input.workload.spec)
	message := sprintf("service account %s/%s can perform all actions in the cluster: role %s", [
		namespace,
		account,
		concat(", ", roles),
	])
}

not_evaluated contains message if {
	some message in accounts.unknown_roles(grants, namespace, account) | accounts.unknown_bindings(namespace, account)
	accounts.holds_token(input.workload.spec)
}
