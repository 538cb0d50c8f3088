package kubekeep.controls.host_network

violation contains {
	"path": sprintf("%s.hostNetwork", [input.workload.path]),
	"delete": true,
	"message": "the pod uses the network of its node",
} if {
	input.workload.spec.hostNetwork == true
}
