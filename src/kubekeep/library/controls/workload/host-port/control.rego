package kubekeep.controls.host_port

# Zero is how the API spells none.
violation contains {"path": sprintf("%s.ports[%d].hostPort", [container.path, index]), "delete": true} if {
	some container in input.workload.containers
	some index
	port := container.ports[index]
	port.hostPort != null
	port.hostPort != 0
}
