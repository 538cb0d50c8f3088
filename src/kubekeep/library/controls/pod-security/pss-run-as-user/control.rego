package kubekeep.controls.pss_run_as_user

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.runAsUser", [container.path]),
	"delete": true,
	"message": sprintf("container %v: runAsUser is 0", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.runAsUser == 0
	not exempt
}

violation contains {
	"path": sprintf("%s.securityContext.runAsUser", [input.workload.path]),
	"delete": true,
	"message": "pod: runAsUser is 0",
} if {
	input.workload.spec.securityContext.runAsUser == 0
	not exempt
}

# UID 0 in a user namespace of the pod is unprivileged on the node (KEP-127).
exempt if {
	input.workload.spec.hostUsers == false
	input.kubernetes.minor >= 35
}
