package kubekeep.controls.pss_apparmor

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.appArmorProfile.type", [container.path]),
	"fix": "RuntimeDefault",
	"message": sprintf("container %v: appArmorProfile.type is not RuntimeDefault or Localhost", [
		workload.called(container),
	]),
} if {
	some container in input.workload.containers
	profile := container.securityContext.appArmorProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}

violation contains {
	"path": sprintf("%s.securityContext.appArmorProfile.type", [input.workload.path]),
	"fix": "RuntimeDefault",
	"message": "pod: appArmorProfile.type is not RuntimeDefault or Localhost",
} if {
	profile := input.workload.spec.securityContext.appArmorProfile
	profile != null
	not profile.type in {"RuntimeDefault", "Localhost"}
}

# The annotation that preceded the field is checked in every version, even for a container that does not exist.
violation contains {
	"path": sprintf("%s.annotations[%s]", [input.workload.metadata_path, json.marshal(key)]),
	"delete": true,
	"message": sprintf("the AppArmor annotation is %v, expected runtime/default or localhost/PROFILE", [profile]),
} if {
	some key
	profile := input.workload.metadata.annotations[key]
	startswith(key, "container.apparmor.security.beta.kubernetes.io/")
	not profile in {"", "runtime/default", null}
	not startswith(profile, "localhost/")
}
