package kubekeep.controls.pss_proc_mount_restricted

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.procMount", [container.path]),
	"fix": "Default",
	"message": sprintf("container %v: procMount is %v", [workload.called(container), mount]),
} if {
	some container in input.workload.containers
	mount := container.securityContext.procMount
	not mount in {"Default", null}
}
