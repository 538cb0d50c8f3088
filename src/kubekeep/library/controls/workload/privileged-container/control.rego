package kubekeep.controls.privileged_container

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.privileged", [container.path]),
	"fix": false,
	"message": sprintf("container %v is privileged", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.privileged == true
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v adds %s, which makes it as good as privileged", [workload.called(container), name]),
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
	"message": sprintf("container %v is a process of its Windows node", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.windowsOptions.hostProcess == true
}

violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [input.workload.path]),
	"fix": false,
	"message": "the containers of the pod are processes of their Windows node",
} if {
	input.workload.spec.securityContext.windowsOptions.hostProcess == true
}
