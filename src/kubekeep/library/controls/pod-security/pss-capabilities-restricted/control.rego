package kubekeep.controls.pss_capabilities_restricted

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.capabilities.drop", [container.path]),
	"fix": ["ALL"],
	"message": sprintf("container %v: capabilities.drop does not contain ALL", [workload.called(container)]),
} if {
	some container in input.workload.containers
	not "ALL" in container.securityContext.capabilities.drop
	not windows
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, i]),
	"delete": true,
	"message": sprintf("container %v: capabilities.add contains %v", [workload.called(container), capability]),
} if {
	some container in input.workload.containers
	some i
	capability := container.securityContext.capabilities.add[i]
	capability != "NET_BIND_SERVICE"
	not windows
}

# Only `os` exempts a Windows pod (since 1.25): upstream ignores node selectors here.
windows if input.workload.spec.os.name == "windows"
