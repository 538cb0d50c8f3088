package kubekeep.controls.certificate_approval

import data.kubekeep.lib.rbac

# `certificatesigningrequests/*` is no wildcard in Kubernetes, but the author presumably meant all subresources.
approval := {"certificatesigningrequests/approval", "certificatesigningrequests/*"}

violation contains {"path": path, "message": rbac.message("approve certificate signing requests")} if {
	resources := rbac.cluster_scoped(approval, {"*", "*/approval"})
	some path in rbac.evidence_in({"certificates.k8s.io": resources}, {"*", "patch", "update"})
}
