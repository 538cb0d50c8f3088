package kubekeep.controls.creating_pods

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("create pods")

	# With resourceNames, `create` grants nothing: the name is unknown at authorization (Kubernetes docs, RBAC).
	some path in rbac.evidence_unnamed({"": {"*", "pods"}}, {"*", "create"})
}

not_evaluated contains rbac.unknown_role
