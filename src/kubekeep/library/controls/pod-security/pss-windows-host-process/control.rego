package kubekeep.controls.pss_windows_host_process

violation contains {"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [container.path]), "fix": false} if {
	some container in input.workload.containers
	container.securityContext.windowsOptions.hostProcess == true
}

violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.hostProcess", [input.workload.path]),
	"fix": false,
} if {
	input.workload.spec.securityContext.windowsOptions.hostProcess == true
}
