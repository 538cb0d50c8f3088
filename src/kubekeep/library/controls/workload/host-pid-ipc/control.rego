package kubekeep.controls.host_pid_ipc

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "delete": true, "message": message} if {
	some field, message in {
		"hostPID": "hostPID is true: the pod shares the process namespace of its node",
		"hostIPC": "hostIPC is true: the pod shares the IPC namespace of its node",
	}
	input.workload.spec[field] == true
}
