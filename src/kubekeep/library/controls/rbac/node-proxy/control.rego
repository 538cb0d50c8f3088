package kubekeep.controls.node_proxy

import data.kubekeep.lib.rbac

# `nodes/*` is no wildcard in Kubernetes, but the author presumably meant all subresources.
violation contains {"path": path, "message": rbac.message("access the kubelet API of nodes")} if {
	resources := rbac.cluster_scoped({"nodes/proxy", "nodes/*"}, {"*", "*/proxy"})
	some path in rbac.evidence(resources, {"*", "create", "delete", "get", "patch", "update"})
}
