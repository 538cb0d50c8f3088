package kubekeep.controls.psp_dropped_capabilities

# One policy that drops all is enough, because users can be granted that policy.
violation contains {
	"path": path,
	"fix": "ALL",
	"message": "requiredDropCapabilities contains ALL in no PodSecurityPolicy",
} if {
	not drops_all(object.get(input.object.spec, "requiredDropCapabilities", null))
	every value in object.get(input.cluster.values.PodSecurityPolicy, "requiredDropCapabilities", []) {
		not drops_all(value)
	}
	path := sprintf("spec.requiredDropCapabilities[%d]", [listed])
}

drops_all(names) if upper(names[_]) == "ALL"

default listed := 0

listed := count(input.object.spec.requiredDropCapabilities)
