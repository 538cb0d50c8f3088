package kubekeep.controls.readiness_probe

import data.kubekeep.lib.workload

# Only main containers: init containers end before the pod is ready, and ephemeral containers must not have probes.
violation contains {
	"path": sprintf("%s.readinessProbe", [container.path]),
	"message": sprintf("container %v has no readiness probe", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.type == "container"
	not probed(container)
}

probed(container) if {
	some handler in ["httpGet", "tcpSocket", "grpc", "exec"]
	container.readinessProbe[handler] != null
}
