package kubekeep.controls.pss_host_ports

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.ports[%d].hostPort", [container.path, i]),
	"delete": true,
	"message": sprintf("container %v: hostPort is %v", [workload.called(container), port.hostPort]),
} if {
	some container in input.workload.containers
	some i, port in container.ports
	port.hostPort != 0
	port.hostPort != null
}
