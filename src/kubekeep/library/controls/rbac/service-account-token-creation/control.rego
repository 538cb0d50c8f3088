package kubekeep.controls.service_account_token_creation

import data.kubekeep.lib.rbac

resources := {"*", "serviceaccounts/token", "*/token"}

violation contains {"path": path, "message": rbac.message("create service account tokens")} if {
	some path in rbac.evidence_unnamed({"": resources}, {"*", "create"})
}

not_evaluated contains rbac.unknown_role
