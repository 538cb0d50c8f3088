package kubekeep.controls.certificate_approval

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	resources := rbac.cluster_scoped({"*", "*/approval", "certificatesigningrequests/approval"})
	paths := rbac.evidence_in({"certificates.k8s.io": resources}, {"*", "patch", "update"})
	count(paths) > 0
	message := rbac.message(permission)
	some path in paths
}

# The API server also requires `approve` on the signer of the request (Kubernetes docs, Certificates and Certificate
# Signing Requests).
permission := "approve certificate signing requests of all signers" if {
	"*" in signers
} else := sprintf("approve certificate signing requests of %s", [concat(", ", signers)]) if {
	count(signers) > 0
} else := "approve certificate signing requests if another role allows `approve` on their signers"

signers contains name if {
	rule := rbac.role.rules[_]
	count(rbac.granting([rule], {"certificates.k8s.io": {"*", "signers"}}, {"*", "approve"})) > 0
	some name in signers_of(rule)
}

signers_of(rule) := {name | name := rule.resourceNames[_]} if {
	rbac.names(rule)
} else := {"*"}

not_evaluated contains rbac.unknown_role
