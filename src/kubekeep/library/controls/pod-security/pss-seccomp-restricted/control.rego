package kubekeep.controls.pss_seccomp_restricted

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
	not windows
}

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
	"message": "pod: seccompProfile.type is not RuntimeDefault or Localhost",
} if {
	profile := input.workload.spec.securityContext.seccompProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
	not windows
}

# One profile for the pod fixes every container without one.
violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
	"message": "seccompProfile is set neither for the pod nor for all containers",
} if {
	some container in input.workload.containers
	not container.effective.seccompProfile
	not windows
}

# Only `os` exempts a Windows pod (since 1.25): upstream ignores node selectors here.
windows if input.workload.spec.os.name == "windows"
