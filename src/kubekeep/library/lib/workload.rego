# Pods as rules see them: what a container's security context says once the pod's own is counted in.
package kubekeep.lib.workload

# Where the value of a field that pod and container share was set: in the container if it says anything,
# else in the pod.
origin(container, field) := sprintf("%s.securityContext.%s", [container.path, field]) if {
	not inherited(container, field)
} else := sprintf("%s.securityContext.%s", [input.workload.path, field])

# The pod says it and the container does not.
inherited(container, field) if {
	object.get(container, ["securityContext", field], null) == null
	object.get(input.workload.spec, ["securityContext", field], null) != null
}

# Pods that ask for Windows nodes (Kubernetes docs, PodOS).
windows if input.workload.spec.os.name == "windows"
