package kubekeep.controls.pss_proc_mount

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.securityContext.procMount", [container.path]), "fix": "Default"} if {
	some container in input.workload.containers
	container.securityContext.procMount != null
	container.securityContext.procMount != "Default"
	not pod_security.user_namespace
}
