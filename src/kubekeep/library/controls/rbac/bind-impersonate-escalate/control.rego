package kubekeep.controls.bind_impersonate_escalate

import data.kubekeep.lib.rbac

roles := {"rbac.authorization.k8s.io": {"*", "clusterroles", "roles"}}

violation contains {"path": path, "message": rbac.message("extend its own permissions")} if {
	some path in rbac.evidence_in(roles, {"*", "bind", "escalate"}) |
		rbac.evidence_in(rbac.identities(input.object), {"*", "impersonate"})
}

not_evaluated contains rbac.unknown_role
