package kubekeep.controls.exec_into_containers

import data.kubekeep.lib.rbac

applies if rbac.evaluated

resources := {"*", "pods/exec", "*/exec"}

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence(resources, verbs)
	count(paths) > 0
	message := rbac.message("run commands in containers")
	some path in paths
}

verbs contains "create"

verbs contains "*"

# Older API servers permit a WebSocket upgrade with `get`.
verbs contains "get" if input.kubernetes.minor < 35

not_evaluated contains rbac.unknown_role
