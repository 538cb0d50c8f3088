package kubekeep.controls.bind_impersonate_escalate

import data.kubekeep.lib.rbac

applies if rbac.evaluated

assignable := {"rbac.authorization.k8s.io": {"*", "clusterroles", "roles"}}

# A ClusterRole is in no namespace. `bind` on one is about the namespace of the binding.
writable := {"*", "roles"} | rbac.cluster_scoped({"clusterroles"})

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence_in(assignable, {"*", "bind"}) |
		rbac.evidence_in({"rbac.authorization.k8s.io": writable}, {"*", "escalate"}) |
		rbac.evidence_in(rbac.identities, {"*", "impersonate"})
	count(paths) > 0
	message := rbac.message("extend its own permissions")
	some path in paths
}

not_evaluated contains rbac.unknown_role
