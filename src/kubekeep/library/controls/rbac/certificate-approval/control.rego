package kubekeep.controls.certificate_approval

import data.kubekeep.lib.rbac

approval := {"certificatesigningrequests/approval"}

violation contains {"path": path, "message": rbac.message("approve certificate signing requests")} if {
	resources := rbac.cluster_scoped(approval, {"*", "*/approval"})
	some path in rbac.evidence_in({"certificates.k8s.io": resources}, {"*", "patch", "update"})
}

not_evaluated contains rbac.unknown_role
