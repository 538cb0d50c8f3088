package kubekeep.controls.psp_host_network

# One policy that forbids it is enough, because users can be granted that policy.
violation contains {"path": "spec.hostNetwork", "delete": true, "message": message} if {
	input.object.spec.hostNetwork == true
	every value in input.cluster.values.PodSecurityPolicy.hostNetwork {
		value == true
	}
	message := "hostNetwork is true in every PodSecurityPolicy"
}
