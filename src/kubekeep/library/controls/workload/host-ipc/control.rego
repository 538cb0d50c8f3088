package kubekeep.controls.host_ipc

violation contains {
	"path": sprintf("%s.hostIPC", [input.workload.path]),
	"delete": true,
	"message": "the pod reaches the shared memory of its node",
} if {
	input.workload.spec.hostIPC == true
}
