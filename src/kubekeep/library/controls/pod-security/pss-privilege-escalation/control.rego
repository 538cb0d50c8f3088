package kubekeep.controls.pss_privilege_escalation

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.securityContext.allowPrivilegeEscalation", [container.path]), "fix": false} if {
	not pod_security.windows
	some container in input.workload.containers
	object.get(container, ["securityContext", "allowPrivilegeEscalation"], true) != false
}
