package kubekeep.controls.host_port

import data.kubekeep.lib.workload

# 0 means that no host port is set.
violation contains {
	"path": sprintf("%s.ports[%d].hostPort", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v: hostPort is %v", [workload.called(container), port.hostPort]),
} if {
	not input.workload.spec.hostNetwork == true
	some container in input.workload.containers
	some index
	port := container.ports[index]
	port.hostPort != null
	port.hostPort != 0
}

# In the host network, the API server sets hostPort to containerPort if it is not set (API defaults of Pod).
violation contains {"path": sprintf("%s.ports[%d].hostPort", [container.path, index]), "message": message} if {
	input.workload.spec.hostNetwork == true
	some container in input.workload.containers
	some index
	port := container.ports[index]
	message := sprintf("container %v: hostPort is %v%s", [
		workload.called(container),
		port.containerPort,
		reason(port),
	])
}

reason(port) := "" if {
	object.get(port, "hostPort", 0) > 0
} else := " because hostNetwork is true"
