package kubekeep.controls.node_proxy

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("access the kubelet API of nodes")
	resources := rbac.cluster_scoped({"*", "*/proxy", "nodes/proxy"})
	some path in rbac.evidence(resources, {"*", "create", "delete", "get", "patch", "update"})
}

not_evaluated contains rbac.unknown_role
