package kubekeep.controls.host_pid_ipc

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "delete": true, "message": message} if {
	some field, message in {
		"hostPID": "the pod sees all processes of its node",
		"hostIPC": "the pod reaches the shared memory of its node",
	}
	input.workload.spec[field] == true
}
