package kubekeep.controls.pss_seccomp

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [container.path]),
	"fix": "RuntimeDefault",
	"message": sprintf("container %v: seccompProfile.type is not RuntimeDefault or Localhost", [
		workload.called(container),
	]),
} if {
	some container in input.workload.containers
	profile := container.securityContext.seccompProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
	"message": "pod: seccompProfile.type is not RuntimeDefault or Localhost",
} if {
	profile := input.workload.spec.securityContext.seccompProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}
