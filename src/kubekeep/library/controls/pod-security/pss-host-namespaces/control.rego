package kubekeep.controls.pss_host_namespaces

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "fix": false, "message": message} if {
	some field, message in {
		"hostIPC": "the pod reaches the shared memory of its node",
		"hostNetwork": "the pod uses the network of its node",
		"hostPID": "the pod sees all processes of its node",
	}
	input.workload.spec[field] == true
}
