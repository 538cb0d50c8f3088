package kubekeep.controls.host_ipc

violation contains {
	"path": sprintf("%s.hostIPC", [input.workload.path]),
	"delete": true,
	"message": "hostIPC is true: the pod shares the IPC namespace of its node",
} if {
	input.workload.spec.hostIPC == true
}
