package kubekeep.controls.pss_seccomp

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [container.path]),
	"fix": "RuntimeDefault",
} if {
	some container in input.workload.containers
	profile := container.securityContext.seccompProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
} if {
	profile := input.workload.spec.securityContext.seccompProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}
