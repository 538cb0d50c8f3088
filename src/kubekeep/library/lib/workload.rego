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

# Pods that ask for Windows nodes (Kubernetes docs, PodOS), or that can only land on them.
windows if input.workload.spec.os.name == "windows"

windows if input.workload.spec.nodeSelector["kubernetes.io/os"] == "windows"

# Capabilities as runtimes read them: in any case, with or without the prefix.
capability(name) := trim_prefix(upper(name), "CAP_")

# What adds `SYS_ADMIN`, which Kubernetes treats like privileged (API, allowPrivilegeEscalation).
administrates(name) if capability(name) in {"SYS_ADMIN", "ALL"}

# Whether the volume of that name is a directory, file or socket of the node.
host_volume(name) if {
	volume := input.workload.spec.volumes[_]
	volume.name == name
	volume.hostPath != null
}

# What messages call a container: its name, which the API asks for and files may lack.
called(container) := name if {
	name := container.name
} else := container.path

# Of whom messages say what is at the `origin` of a field.
bearer(container, field) := sprintf("container %v", [called(container)]) if {
	not inherited(container, field)
} else := "the pod"
