package kubekeep.controls.privilege_escalation

import data.kubekeep.lib.workload

# Does not apply to Windows.
applies if not workload.windows

violation contains {
	"path": sprintf("%s.securityContext.allowPrivilegeEscalation", [container.path]),
	"fix": false,
	"message": sprintf("container %v: allowPrivilegeEscalation is %s", [workload.called(container), setting(container)]),
} if {
	some container in input.workload.containers
	not container.securityContext.allowPrivilegeEscalation == false
}

# Privileged containers always allow it, and the API server rejects `allowPrivilegeEscalation: false` for them.
violation contains {
	"path": sprintf("%s.securityContext.privileged", [container.path]),
	"fix": false,
	"message": sprintf("container %v: privileged is true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.privileged == true
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v: capabilities.add contains %s, %s", [
		workload.called(container),
		name,
		reason(name),
	]),
} if {
	some container in input.workload.containers
	some index
	name := container.securityContext.capabilities.add[index]
	workload.capability(name) == "SYS_ADMIN"
}

# The validation of the API server compares the text as it is (ValidateSecurityContext).
reason(name) := "which the API server refuses beside allowPrivilegeEscalation: false" if {
	name == "CAP_SYS_ADMIN"
} else := "which allows mounts and namespaces in spite of allowPrivilegeEscalation: false"

setting(container) := "true" if {
	container.securityContext.allowPrivilegeEscalation == true
} else := "not set to false"
