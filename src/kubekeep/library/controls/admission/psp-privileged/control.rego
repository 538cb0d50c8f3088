package kubekeep.controls.psp_privileged

# One policy that forbids it is enough, because users can be granted that policy.
violation contains {"path": "spec.privileged", "delete": true, "message": message} if {
	input.object.spec.privileged == true
	every value in input.cluster.values.PodSecurityPolicy.privileged {
		value == true
	}
	message := "privileged is true in every PodSecurityPolicy"
}
