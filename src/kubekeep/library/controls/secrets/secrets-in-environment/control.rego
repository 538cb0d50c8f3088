package kubekeep.controls.secrets_in_environment

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.env[%d].name", [container.path, index]),
	"message": sprintf("container %v has a key of a Secret in the variable %v", [
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
	"message": sprintf("container %v has all of the Secret %v in its environment", [
		workload.called(container),
		object.get(reference, "name", ""),
	]),
} if {
	some container in input.workload.containers
	some index
	reference := container.envFrom[index].secretRef
	is_object(reference)
}
