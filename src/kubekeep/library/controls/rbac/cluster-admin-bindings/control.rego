package kubekeep.controls.cluster_admin_bindings

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("perform all actions in the cluster")} if {
	binding := input.object.relatedObjects[0]
	binding.kind == "ClusterRoleBinding"
	binding.roleRef.name == "cluster-admin"
	not masters
	some path in rbac.bound(input.object)
}

masters if {
	input.object.kind == "Group"
	input.object.name == "system:masters"
}
