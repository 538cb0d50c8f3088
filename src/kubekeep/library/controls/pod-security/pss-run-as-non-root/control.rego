package kubekeep.controls.pss_run_as_non_root

import data.kubekeep.lib.workload

# Not set for some container: one setting for the pod fixes all containers.
violation contains {
	"path": sprintf("%s.securityContext.runAsNonRoot", [input.workload.path]),
	"fix": true,
	"message": "runAsNonRoot is set neither for the pod nor for all containers",
} if {
	some container in input.workload.containers
	not container.effective.runAsNonRoot in {true, false}
	not exempt
}

# Explicitly false: rejected anywhere, even in a pod whose containers all set true.
violation contains {
	"path": sprintf("%s.securityContext.runAsNonRoot", [input.workload.path]),
	"fix": true,
	"message": "pod: runAsNonRoot is false",
} if {
	input.workload.spec.securityContext.runAsNonRoot == false
	not exempt
}

violation contains {
	"path": sprintf("%s.securityContext.runAsNonRoot", [container.path]),
	"fix": true,
	"message": sprintf("container %v: runAsNonRoot is false", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.securityContext.runAsNonRoot == false
	not exempt
}

# UID 0 in a user namespace of the pod is unprivileged on the node (KEP-127).
exempt if {
	input.workload.spec.hostUsers == false
	input.kubernetes.minor >= 35
}
