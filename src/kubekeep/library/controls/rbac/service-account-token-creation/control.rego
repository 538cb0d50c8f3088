package kubekeep.controls.service_account_token_creation

import data.kubekeep.lib.rbac

applies if rbac.evaluated

resources := {"*", "serviceaccounts/token", "*/token"}

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence_unnamed({"": resources}, {"*", "create"})
	count(paths) > 0
	message := rbac.message("create service account tokens")
	some path in paths
}

not_evaluated contains rbac.unknown_role
