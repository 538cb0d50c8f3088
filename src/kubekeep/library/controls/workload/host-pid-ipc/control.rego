package kubekeep.controls.host_pid_ipc

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "delete": true} if {
	some field in ["hostPID", "hostIPC"]
	input.workload.spec[field] == true
}
