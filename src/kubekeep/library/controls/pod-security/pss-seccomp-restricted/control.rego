package kubekeep.controls.pss_seccomp_restricted

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [container.path]),
	"fix": "RuntimeDefault",
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
} if {
	profile := input.workload.spec.securityContext.seccompProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
	not windows
}

# One profile for the whole pod mends every container that has none.
violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
} if {
	some container in input.workload.containers
	not container.effective.seccompProfile
	not windows
}

# Only `os` exempts a pod of Windows (since 1.25): upstream takes no node selector for it.
windows if input.workload.spec.os.name == "windows"
