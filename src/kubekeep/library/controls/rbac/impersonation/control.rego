package kubekeep.controls.impersonation

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence_in(rbac.identities, {"*", "impersonate"})
	count(paths) > 0
	message := rbac.message("impersonate other identities")
	some path in paths
}

not_evaluated contains rbac.unknown_role
