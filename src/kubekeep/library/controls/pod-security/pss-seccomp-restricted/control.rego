package kubekeep.controls.pss_seccomp_restricted

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.seccompProfile.type", [path]), "fix": "RuntimeDefault"} if {
	not pod_security.windows
	some path, context in pod_security.contexts
	profile := context.seccompProfile
	profile != null
	not profile.type in pod_security.confined
}

# One profile for the whole pod mends every container that has none.
violation contains {
	"path": sprintf("%s.securityContext.seccompProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
} if {
	not pod_security.windows
	some container in input.workload.containers
	not container.effective.seccompProfile
}
