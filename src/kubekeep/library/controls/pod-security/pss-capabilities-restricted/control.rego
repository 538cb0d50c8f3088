package kubekeep.controls.pss_capabilities_restricted

import data.kubekeep.lib.pod_security

violation contains {"path": sprintf("%s.securityContext.capabilities.drop", [container.path]), "fix": ["ALL"]} if {
	not pod_security.windows
	some container in input.workload.containers
	not "ALL" in container.securityContext.capabilities.drop
}

violation contains {"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, i]), "delete": true} if {
	not pod_security.windows
	some container in input.workload.containers
	some i
	container.securityContext.capabilities.add[i] != "NET_BIND_SERVICE"
}
