package kubekeep.controls.host_pid

violation contains {
	"path": sprintf("%s.hostPID", [input.workload.path]),
	"delete": true,
	"message": "the pod sees all processes of its node",
} if {
	input.workload.spec.hostPID == true
}
