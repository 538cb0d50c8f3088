package kubekeep.controls.impersonation

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("impersonate other identities")
	some path in rbac.evidence_in(rbac.identities, {"*", "impersonate"})
}

not_evaluated contains rbac.unknown_role
