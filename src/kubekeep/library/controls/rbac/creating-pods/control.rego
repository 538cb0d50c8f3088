package kubekeep.controls.creating_pods

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("create pods")} if {
	# With names, `create` allows nothing: the API server does not know the name yet (Kubernetes docs, RBAC).
	some path in rbac.evidence_unnamed({"": {"*", "pods"}}, {"*", "create"})
}
