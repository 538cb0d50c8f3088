package kubekeep.controls.certificate_approval

import data.kubekeep.lib.accounts
import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": severity_change, "message": message} if {
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
} else := "write the approval of certificate signing requests, but approve none without `approve` on `signers`" if {
	is_partial
} else := "approve certificate signing requests if another role allows `approve` on their signers"

# The permission alone approves nothing. The other roles of users and groups are not read.
is_partial if {
	not rbac.unbound
	count(signers) == 0
	not has_unknown_role
}

default grants := []

grants := accounts.cluster_wide(input.object.namespace, input.object.name) if input.object.kind == "ServiceAccount"

has_unknown_role if {
	some grant in grants
	grant.role == null
}

severity_change := -3 if {
	is_partial
} else := rbac.severity_change

roles contains rbac.role

roles contains grant.role if some grant in grants

signers contains name if {
	rule := roles[_].rules[_]
	count(rbac.granting([rule], {"certificates.k8s.io": {"*", "signers"}}, {"*", "approve"})) > 0
	some name in signers_of(rule)
}

signers_of(rule) := {name | name := rule.resourceNames[_]} if {
	rbac.names(rule)
} else := {"*"}

not_evaluated contains rbac.unknown_role
