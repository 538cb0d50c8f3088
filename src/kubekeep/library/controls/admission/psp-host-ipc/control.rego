package kubekeep.controls.psp_host_ipc

# One policy that forbids it is enough, because users can be granted that policy.
violation contains {"path": "spec.hostIPC", "delete": true, "message": message} if {
	input.object.spec.hostIPC == true
	every value in input.cluster.values.PodSecurityPolicy.hostIPC {
		value == true
	}
	message := "hostIPC is true in every PodSecurityPolicy"
}
