package kubekeep.controls.pss_seccomp

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.seccompProfile.type", [path]), "fix": "RuntimeDefault"} if {
	some path, context in pod_security.contexts
	profile := context.seccompProfile
	profile != null
	not profile.type in pod_security.confined
}
