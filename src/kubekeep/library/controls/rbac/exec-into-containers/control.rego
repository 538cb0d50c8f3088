package kubekeep.controls.exec_into_containers

import data.kubekeep.lib.rbac

resources := {"*", "pods/exec", "*/exec"}

violation contains {"path": path, "message": rbac.message("run commands in containers")} if {
	some path in rbac.evidence(resources, verbs)
}

verbs contains "create"

verbs contains "*"

# Older API servers permit a WebSocket upgrade with `get`.
verbs contains "get" if input.kubernetes.minor < 35

not_evaluated contains rbac.unknown_role
