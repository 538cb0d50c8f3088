package kubekeep.controls.pss_apparmor

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.appArmorProfile.type", [path]), "fix": "RuntimeDefault"} if {
	some path, context in pod_security.contexts
	profile := context.appArmorProfile
	profile != null
	not profile.type in pod_security.confined
}

# The annotation that came before the field counts in every version, even for a container that the pod lacks.
violation contains {
	"path": sprintf("%s.annotations[%s]", [input.workload.metadata_path, json.marshal(key)]),
	"delete": true,
} if {
	some key
	profile := input.workload.metadata.annotations[key]
	startswith(key, "container.apparmor.security.beta.kubernetes.io/")
	not profile in {"", "runtime/default", null}
	not startswith(profile, "localhost/")
}
