# Workload view of rules: effective security context of containers.
package kubekeep.lib.workload

# Path of the effective value of a field that pod and container share, and the subject of messages about it: in the pod if
# only the pod sets it, else in the container.
origin(container, field) := {
	"path": sprintf("%s.securityContext.%s", [input.workload.path, field]),
	"subject": "pod",
} if {
	inherited(container, field)
} else := {
	"path": sprintf("%s.securityContext.%s", [container.path, field]),
	"subject": sprintf("container %v", [called(container)]),
}

# True if the field is set in the pod and not in the container.
inherited(container, field) if {
	object.get(container, ["securityContext", field], null) == null
	object.get(input.workload.spec, ["securityContext", field], null) != null
}

# True for pods that require Windows nodes, by `os` (Kubernetes docs, PodOS) or by node selector.
windows if input.workload.spec.os.name == "windows"

windows if input.workload.spec.nodeSelector["kubernetes.io/os"] == "windows"

# Containers that run while the pod serves, including sidecars among the init containers.
serving(container) if container.type == "container"

serving(container) if {
	container.type == "init"
	container.restartPolicy == "Always"
}

# True if the pods end when their work is done, as those of a Job, which must have one of these restart policies
# (Kubernetes docs, Jobs).
completes(spec) if spec.restartPolicy in {"Never", "OnFailure"}

# Capabilities as runtimes read them: in any case, with or without the prefix.
capability(name) := trim_prefix(upper(name), "CAP_")

# Capabilities that include `SYS_ADMIN`, which Kubernetes treats like privileged (API, allowPrivilegeEscalation).
administrates(name) if capability(name) in {"SYS_ADMIN", "ALL"}

# True if the volume is a directory, file or socket of the node.
host_volume(name) if {
	volume := input.workload.spec.volumes[_]
	volume.name == name
	volume.hostPath != null
}

# Name of a container in messages. The API requires it, but it may be missing in files.
called(container) := name if {
	name := container.name
} else := container.path

# True if the container only waits: it serves nothing, and does not hang.
waits(container) if {
	words := array.concat(words_of(container, "command"), words_of(container, "args"))
	regex.match(
		`^(?:(?:/\S*/)?(?:ba|da|a)?sh -\w*c )?(?:exec )?(?:/\S*/)?(?:sleep (?:infinity|inf|[0-9]+[smhd]?)|tail -f /dev/null)$`,
		concat(" ", words),
	)
}

words_of(container, field) := [trim_space(sprintf("%v", [word])) | word := container[field][_]]
