package kubekeep.controls.pss_privileged

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.privileged", [container.path]),
	"fix": false,
	"message": sprintf("container %v: privileged is true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.privileged == true
}
