package kubekeep.controls.secrets_in_environment

violation contains {
	"path": sprintf("%s.env[%d].name", [container.path, index]),
	"message": sprintf("container %v has a key of the Secret %v in %v", [container.name, reference.name, variable.name]),
} if {
	some container in input.workload.containers
	some index
	variable := container.env[index]
	reference := variable.valueFrom.secretKeyRef
	is_object(reference)
}

violation contains {
	"path": sprintf("%s.envFrom[%d].secretRef", [container.path, index]),
	"message": sprintf("container %v has all of the Secret %v in its environment", [container.name, reference.name]),
} if {
	some container in input.workload.containers
	some index
	reference := container.envFrom[index].secretRef
	is_object(reference)
}
