package kubekeep.controls.certificate_approval

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("approve certificate signing requests")
	resources := rbac.cluster_scoped({"*", "*/approval", "certificatesigningrequests/approval"})
	some path in rbac.evidence_in({"certificates.k8s.io": resources}, {"*", "patch", "update"})
}

not_evaluated contains rbac.unknown_role
