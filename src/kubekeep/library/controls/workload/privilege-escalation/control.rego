package kubekeep.controls.privilege_escalation

import data.kubekeep.lib.workload

# Windows has no such bit.
applies if not workload.windows

violation contains {
	"path": sprintf("%s.securityContext.allowPrivilegeEscalation", [container.path]),
	"fix": false,
} if {
	some container in input.workload.containers
	not container.securityContext.allowPrivilegeEscalation == false
}

# With either of these escalation is always allowed, and the API server refuses `false` beside them.
violation contains {"path": sprintf("%s.securityContext.privileged", [container.path]), "fix": false} if {
	some container in input.workload.containers
	container.securityContext.privileged == true
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, index]),
	"delete": true,
} if {
	some container in input.workload.containers
	some index
	name := container.securityContext.capabilities.add[index]
	workload.capability(name) == "SYS_ADMIN"
}
