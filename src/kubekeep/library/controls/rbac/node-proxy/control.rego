package kubekeep.controls.node_proxy

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	resources := rbac.cluster_scoped({"*", "*/proxy", "nodes/proxy"})
	paths := rbac.evidence(resources, {"*", "create", "delete", "get", "patch", "update"})
	count(paths) > 0
	message := rbac.message("access the kubelet API of nodes")
	some path in paths
}

not_evaluated contains rbac.unknown_role
