package kubekeep.controls.pss_probe_hosts

import data.kubekeep.lib.workload

# Upstream has this check since 1.34.
applies if input.kubernetes.minor >= 34

violation contains {
	"path": sprintf("%s.%s.%s.host", [container.path, probe, action]),
	"delete": true,
	"message": sprintf("container %v: host of %s is %v", [workload.called(container), probe, host]),
} if {
	some container in input.workload.containers
	some probe, actions in object.filter(container, ["livenessProbe", "readinessProbe", "startupProbe"])
	some action
	host := actions[action].host
	host != ""
	host != null
	action in {"httpGet", "tcpSocket"}
}

violation contains {
	"path": sprintf("%s.lifecycle.%s.%s.host", [container.path, hook, action]),
	"delete": true,
	"message": sprintf("container %v: host of %s is %v", [workload.called(container), hook, host]),
} if {
	some container in input.workload.containers
	some hook, action
	host := container.lifecycle[hook][action].host
	host != ""
	host != null
	hook in {"postStart", "preStop"}
	action in {"httpGet", "tcpSocket"}
}
