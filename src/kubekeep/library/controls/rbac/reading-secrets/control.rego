package kubekeep.controls.reading_secrets

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("read Secrets")} if {
	some path in rbac.evidence_unnamed({"": {"*", "secrets"}}, {"*", "get", "list", "watch"})
}

not_evaluated contains rbac.unknown_role
