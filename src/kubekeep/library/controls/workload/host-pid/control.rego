package kubekeep.controls.host_pid

violation contains {
	"path": sprintf("%s.hostPID", [input.workload.path]),
	"delete": true,
	"message": "hostPID is true: the pod shares the process namespace of its node",
} if {
	input.workload.spec.hostPID == true
}
