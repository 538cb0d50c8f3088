package kubekeep.controls.privileged_container

import data.kubekeep.lib.workload

violation contains {"path": sprintf("%s.securityContext.privileged", [container.path]), "fix": false} if {
	some container in input.workload.containers
	container.securityContext.privileged == true
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, index]),
	"delete": true,
	"message": "SYS_ADMIN makes a container as good as privileged",
} if {
	some container in input.workload.containers
	some index
	name := container.securityContext.capabilities.add[index]
	workload.administrates(name)
}

# What privileged is on Windows (Kubernetes docs, HostProcess containers).
violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [container.path]),
	"fix": false,
} if {
	some container in input.workload.containers
	container.securityContext.windowsOptions.hostProcess == true
}

violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [input.workload.path]),
	"fix": false,
} if {
	input.workload.spec.securityContext.windowsOptions.hostProcess == true
}
