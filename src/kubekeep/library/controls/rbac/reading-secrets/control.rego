package kubekeep.controls.reading_secrets

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence_unnamed({"": {"*", "secrets"}}, {"*", "get", "list", "watch"})
	count(paths) > 0
	message := rbac.message("read Secrets")
	some path in paths
}

not_evaluated contains rbac.unknown_role
