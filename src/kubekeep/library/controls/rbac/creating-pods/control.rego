package kubekeep.controls.creating_pods

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("create pods")} if {
	# With resourceNames, `create` grants nothing: the name is unknown at authorization (Kubernetes docs, RBAC).
	some path in rbac.evidence_unnamed({"": {"*", "pods"}}, {"*", "create"})
}

not_evaluated contains rbac.unknown_role
