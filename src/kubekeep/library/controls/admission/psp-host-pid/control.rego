package kubekeep.controls.psp_host_pid

# One policy that forbids it is enough, because users can be granted that policy.
violation contains {"path": "spec.hostPID", "delete": true, "message": message} if {
	input.object.spec.hostPID == true
	every value in input.cluster.values.PodSecurityPolicy.hostPID {
		value == true
	}
	message := "hostPID is true in every PodSecurityPolicy"
}
