package kubekeep.controls.sensitive_interfaces

import data.kubekeep.lib.exposure

violation contains {"path": "", "message": message} if {
	interface := sensitive[0]
	labels := input.workload.metadata.labels
	service := exposure.services(exposure.namespace(input.object), labels)[_]
	message := sprintf("%s is reachable from outside the cluster through Service %s %s", [
		interface,
		service.metadata.name,
		exposure.outward(service),
	])
}

# `jenkins` matches `ci-jenkins-0`, but not `jenkinsfile-runner`.
sensitive := [interface |
	name := replace(lower(input.object.metadata.name), ".", "-")
	some interface in input.params.sensitiveInterfaces
	contains(name, lower(interface))
	contains(sprintf("-%s-", [name]), sprintf("-%s-", [lower(interface)]))
]
