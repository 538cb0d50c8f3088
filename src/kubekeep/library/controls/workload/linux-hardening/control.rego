package kubekeep.controls.linux_hardening

import data.kubekeep.lib.workload

applies if not workload.windows

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile", [container.path]),
	"fix": {"type": "RuntimeDefault"},
	"message": sprintf("container %v has no seccomp, AppArmor or SELinux profile", [workload.called(container)]),
} if {
	some container in input.workload.containers
	not hardened(container)
}

confining := {"RuntimeDefault", "Localhost"}

hardened(container) if container.effective.seccompProfile.type in confining

hardened(container) if container.effective.appArmorProfile.type in confining

hardened(container) if count(container.effective.seLinuxOptions) > 0

# AppArmor annotations, used before 1.30.
hardened(container) if {
	not container.effective.appArmorProfile
	key := sprintf("container.apparmor.security.beta.kubernetes.io/%s", [container.name])
	profile := input.workload.metadata.annotations[key]
	not profile in {"unconfined", ""}
}

# Seccomp annotations, used before 1.27, which ignores them.
hardened(container) if {
	input.kubernetes.minor < 27
	not container.effective.seccompProfile
	profile := seccomp_annotation(container)
	not profile in {"unconfined", ""}
}

seccomp_annotation(container) := profile if {
	key := sprintf("container.seccomp.security.alpha.kubernetes.io/%s", [container.name])
	profile := input.workload.metadata.annotations[key]
} else := input.workload.metadata.annotations["seccomp.security.alpha.kubernetes.io/pod"]
