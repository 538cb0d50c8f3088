package kubekeep.controls.pss_run_as_user

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.runAsUser", [path]), "delete": true} if {
	not pod_security.user_namespace
	some path, context in pod_security.contexts
	context.runAsUser == 0
}
