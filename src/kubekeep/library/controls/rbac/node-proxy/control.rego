package kubekeep.controls.node_proxy

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("access the kubelet API of nodes")} if {
	resources := rbac.cluster_scoped({"nodes/proxy"}, {"*", "*/proxy"})
	some path in rbac.evidence(resources, {"*", "create", "delete", "get", "patch", "update"})
}

not_evaluated contains rbac.unknown_role
