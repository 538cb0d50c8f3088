package kubekeep.controls.service_account_token_creation

import data.kubekeep.lib.rbac

# `serviceaccounts/*` is no wildcard in Kubernetes, but the author presumably meant all subresources.
resources := {"*", "serviceaccounts/token", "*/token", "serviceaccounts/*"}

violation contains {"path": path, "message": rbac.message("create service account tokens")} if {
	some path in rbac.evidence_unnamed({"": resources}, {"*", "create"})
}
