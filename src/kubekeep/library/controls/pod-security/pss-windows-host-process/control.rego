package kubekeep.controls.pss_windows_host_process

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.windowsOptions.hostProcess", [path]), "fix": false} if {
	some path, context in pod_security.contexts
	context.windowsOptions.hostProcess == true
}
