package kubekeep.controls.pss_windows_host_process

import data.kubekeep.lib.workload

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
