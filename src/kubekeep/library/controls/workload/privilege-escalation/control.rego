package kubekeep.controls.privilege_escalation

import data.kubekeep.lib.workload

# Does not apply to Windows.
applies if not workload.windows

# Privileged containers always allow it, and the API server rejects `allowPrivilegeEscalation: false` for them: if
# neither is set, both must be.
violation contains {
	"path": sprintf("%s.securityContext.%s", [container.path, field]),
	"fix": false,
	"message": sprintf("container %v: %s", [workload.called(container), setting(container, field)]),
} if {
	some container in input.workload.containers
	not container.securityContext.allowPrivilegeEscalation == false
	some field in ["allowPrivilegeEscalation", "privileged"]
	not container.securityContext[field] == false
}

violation contains {
	"path": sprintf("%s.securityContext.privileged", [container.path]),
	"fix": false,
	"message": sprintf("container %v: privileged is true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.allowPrivilegeEscalation == false
	container.securityContext.privileged == true
}

# The API server also rejects it for this capability.

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v: capabilities.add contains %s, which allows privilege escalation", [
		workload.called(container),
		name,
	]),
} if {
	some container in input.workload.containers
	some index
	name := container.securityContext.capabilities.add[index]
	workload.capability(name) == "SYS_ADMIN"
}

setting(container, field) := sprintf("%s is true", [field]) if {
	container.securityContext[field] == true
} else := sprintf("%s is not set to false", [field])
