package kubekeep.controls.psp_root_user

# One policy that forbids it is enough, because users can be granted that policy.
violation contains {"path": "spec.runAsUser.rule", "fix": "MustRunAsNonRoot", "message": message} if {
	not forbids(object.get(input.object.spec, "runAsUser", null))
	every value in object.get(input.cluster.values.PodSecurityPolicy, "runAsUser", []) {
		not forbids(value)
	}
	message := "runAsUser allows root in every PodSecurityPolicy"
}

forbids(user) if user.rule == "MustRunAsNonRoot"

forbids(user) if {
	user.rule == "MustRunAs"
	count(user.ranges) > 0
	every range in user.ranges {
		range.min > 0
	}
}
