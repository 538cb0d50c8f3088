package kubekeep.controls.host_port

import data.kubekeep.lib.workload

# 0 means that no host port is set.
violation contains {
	"path": sprintf("%s.ports[%d].hostPort", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v: hostPort is %v", [workload.called(container), port.hostPort]),
} if {
	some container in input.workload.containers
	some index
	port := container.ports[index]
	port.hostPort != null
	port.hostPort != 0
}
