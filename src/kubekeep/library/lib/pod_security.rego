# What the checks of the Pod Security Standards have in common: the security contexts to look at, and who is exempt.
package kubekeep.lib.pod_security

# Every security context that is written down, by its path: the pod's and those of all containers.
contexts[path] := container.securityContext if {
	some container in input.workload.containers
	container.securityContext
	path := sprintf("%s.securityContext", [container.path])
}

contexts[path] := input.workload.spec.securityContext if {
	path := sprintf("%s.securityContext", [input.workload.path])
}

# Only `os` exempts a pod of Windows (since 1.25): upstream takes no node selector for it.
windows if input.workload.spec.os.name == "windows"

# Since 1.35 root in a user namespace of the pod's own (KEP-127) may do what root on the node may not.
user_namespace if {
	data.kubernetes.minor >= 35
	input.workload.spec.hostUsers == false
}

# Profiles, of seccomp and AppArmor alike, that keep the container confined.
confined := {"RuntimeDefault", "Localhost"}
