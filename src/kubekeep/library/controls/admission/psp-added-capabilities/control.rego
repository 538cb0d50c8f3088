package kubekeep.controls.psp_added_capabilities

# One policy that allows none is enough, because users can be granted that policy.
violation contains {"path": "spec.allowedCapabilities", "delete": true, "message": message} if {
	allowed := input.object.spec.allowedCapabilities
	count(allowed) > 0
	every value in input.cluster.values.PodSecurityPolicy.allowedCapabilities {
		count(value) > 0
	}
	message := sprintf("allowedCapabilities is %s: every PodSecurityPolicy allows added capabilities", [
		concat(", ", allowed),
	])
}
