package kubekeep.controls.pss_host_namespaces

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "fix": false, "message": message} if {
	some field, message in {
		"hostIPC": "hostIPC is true: the pod shares the IPC namespace of its node",
		"hostNetwork": "hostNetwork is true: the pod shares the network namespace of its node",
		"hostPID": "hostPID is true: the pod shares the process namespace of its node",
	}
	input.workload.spec[field] == true
}
