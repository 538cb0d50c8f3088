package kubekeep.controls.pss_apparmor

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.appArmorProfile.type", [container.path]),
	"fix": "RuntimeDefault",
	"message": sprintf("container %v has an AppArmor profile that confines nothing", [workload.called(container)]),
} if {
	some container in input.workload.containers
	profile := container.securityContext.appArmorProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}

violation contains {
	"path": sprintf("%s.securityContext.appArmorProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
	"message": "the pod has an AppArmor profile that confines nothing",
} if {
	profile := input.workload.spec.securityContext.appArmorProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}

# The annotation that preceded the field is checked in every version, even for a container that does not exist.
violation contains {
	"path": sprintf("%s.annotations[%s]", [input.workload.metadata_path, json.marshal(key)]),
	"delete": true,
	"message": sprintf("the AppArmor profile %v confines nothing", [profile]),
} if {
	some key
	profile := input.workload.metadata.annotations[key]
	startswith(key, "container.apparmor.security.beta.kubernetes.io/")
	not profile in {"", "runtime/default", null}
	not startswith(profile, "localhost/")
}
