package kubekeep.controls.creating_pods

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {

	# With resourceNames, `create` grants nothing: the name is unknown at authorization (Kubernetes docs, RBAC).
	paths := rbac.evidence_unnamed({"": {"*", "pods"}}, {"*", "create"})
	count(paths) > 0
	message := rbac.message("create pods")
	some path in paths
}

not_evaluated contains rbac.unknown_role
