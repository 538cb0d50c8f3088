package kubekeep.controls.host_network

violation contains {
	"path": sprintf("%s.hostNetwork", [input.workload.path]),
	"delete": true,
	"message": "hostNetwork is true: the pod shares the network namespace of its node",
} if {
	input.workload.spec.hostNetwork == true
}
