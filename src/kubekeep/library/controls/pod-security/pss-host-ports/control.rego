package kubekeep.controls.pss_host_ports

violation contains {"path": sprintf("%s.ports[%d].hostPort", [container.path, i]), "delete": true} if {
	some container in input.workload.containers
	some i, port in container.ports
	port.hostPort != 0
	port.hostPort != null
}
