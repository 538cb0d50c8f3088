package kubekeep.controls.pss_windows_host_process

import data.kubekeep.lib.workload

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
