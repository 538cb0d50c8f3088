package kubekeep.controls.workload_cluster_takeover

import data.kubekeep.lib.accounts
import data.kubekeep.lib.identity
import data.kubekeep.lib.rbac

namespace := identity.namespace_of(input.object)

account := identity.account_of(input.workload.spec)

grants := accounts.cluster_wide(namespace, account)

violation contains {"path": accounts.path(input.workload), "message": message} if {
	roles := {grant.role.metadata.name |
		some grant in grants
		takes_over(rbac.unnamed(grant.role))
	}
	count(roles) > 0
	accounts.holds_token(input.workload.spec)
	message := sprintf("service account %s/%s can create workloads or read Secrets in all namespaces: role %s", [
		namespace,
		account,
		concat(", ", roles),
	])
}

takes_over(rules) if {
	count(rbac.granting(rules, workloads, {"*", "create", "patch", "update"})) > 0
} else if {
	count(rbac.granting(rules, {"": {"*", "secrets"}}, {"*", "get", "list", "watch"})) > 0
}

workloads := {
	"": {"*", "pods", "replicationcontrollers"},
	"apps": {"*", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"batch": {"*", "cronjobs", "jobs"},
}

not_evaluated contains message if {
	some message in accounts.unknown_roles(grants, namespace, account) | accounts.unknown_bindings(namespace, account)
	accounts.holds_token(input.workload.spec)
}
