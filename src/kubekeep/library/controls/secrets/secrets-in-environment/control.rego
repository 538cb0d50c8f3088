package kubekeep.controls.secrets_in_environment

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.env[%d].name", [container.path, index]),
	"message": sprintf("container %v: env variable %v contains a key of a Secret", [
		workload.called(container),
		object.get(variable, "name", ""),
	]),
} if {
	some container in input.workload.containers
	some index
	variable := container.env[index]
	is_object(variable.valueFrom.secretKeyRef)
}

violation contains {
	"path": sprintf("%s.envFrom[%d].secretRef", [container.path, index]),
	"message": sprintf("container %v: envFrom contains all keys of the Secret %v", [
		workload.called(container),
		object.get(reference, "name", ""),
	]),
} if {
	some container in input.workload.containers
	some index
	reference := container.envFrom[index].secretRef
	is_object(reference)
}
