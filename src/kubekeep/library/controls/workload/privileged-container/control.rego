package kubekeep.controls.privileged_container

import data.kubekeep.lib.workload

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
	"message": sprintf("container %v: capabilities.add contains %s, which is equivalent to privileged", [
		workload.called(container),
		name,
	]),
} if {
	some container in input.workload.containers
	some index
	name := container.securityContext.capabilities.add[index]
	workload.administrates(name)
}

# Equivalent of privileged on Windows (Kubernetes docs, HostProcess containers).
violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [container.path]),
	"fix": false,
	"message": sprintf("container %v: windowsOptions.hostProcess is true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.windowsOptions.hostProcess == true
}

violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [input.workload.path]),
	"fix": false,
	"message": "pod: windowsOptions.hostProcess is true",
} if {
	input.workload.spec.securityContext.windowsOptions.hostProcess == true
}
