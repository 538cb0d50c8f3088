package kubekeep.controls.reading_secrets

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("read Secrets")
	some path in rbac.evidence_unnamed({"": {"*", "secrets"}}, {"*", "get", "list", "watch"})
}

not_evaluated contains rbac.unknown_role
