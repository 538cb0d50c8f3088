package kubekeep.controls.pss_seccomp_restricted

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [container.path]),
	"fix": "RuntimeDefault",
	"message": sprintf("container %v has a seccomp profile that filters nothing", [workload.called(container)]),
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
	"message": "the pod has a seccomp profile that filters nothing",
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
	"message": "some containers have no seccomp profile",
} if {
	some container in input.workload.containers
	not container.effective.seccompProfile
	not windows
}

# Only `os` exempts a Windows pod (since 1.25): upstream ignores node selectors here.
windows if input.workload.spec.os.name == "windows"
