package kubekeep.controls.service_account_token_creation

import data.kubekeep.lib.rbac

applies if rbac.evaluated

resources := {"*", "serviceaccounts/token", "*/token"}

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("create service account tokens")
	some path in rbac.evidence_unnamed({"": resources}, {"*", "create"})
}

not_evaluated contains rbac.unknown_role
