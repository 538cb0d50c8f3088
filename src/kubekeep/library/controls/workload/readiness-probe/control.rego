package kubekeep.controls.readiness_probe

import data.kubekeep.lib.workload

applies if {
	not workload.completes(input.workload.spec)
	not input.object.kind in {"CronJob", "Job"}
}

# Other init containers end before the pod is ready, and ephemeral containers must not have probes.
violation contains {
	"path": sprintf("%s.readinessProbe", [container.path]),
	"message": sprintf("container %v has no readiness probe", [workload.called(container)]),
} if {
	some container in input.workload.containers
	workload.serving(container)
	not probed(container)
	not workload.waits(container)
}

probed(container) if {
	some handler in ["httpGet", "tcpSocket", "grpc", "exec"]
	container.readinessProbe[handler] != null
}
