package kubekeep.controls.host_network

violation contains {"path": sprintf("%s.hostNetwork", [input.workload.path]), "delete": true} if {
	input.workload.spec.hostNetwork == true
}
