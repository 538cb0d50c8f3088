package kubekeep.controls.pss_privilege_escalation

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.allowPrivilegeEscalation", [container.path]),
	"fix": false,
	"message": sprintf("container %v: allowPrivilegeEscalation is not set to false", [
		workload.called(container),
	]),
} if {
	some container in input.workload.containers
	not container.securityContext.allowPrivilegeEscalation == false
	not windows
}

# Only `os` exempts a Windows pod (since 1.25): upstream ignores node selectors here.
windows if input.workload.spec.os.name == "windows"
