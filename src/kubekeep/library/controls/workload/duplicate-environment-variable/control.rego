package kubekeep.controls.duplicate_environment_variable

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.env[%d].name", [container.path, index]),
	"message": sprintf("container %v: env sets %s %d times", [workload.called(container), name, count(indexes)]),
} if {
	some container in input.workload.containers
	count(container.env) > count(names(container))
	some name in names(container)
	indexes := [index | some index; container.env[index].name == name]
	count(indexes) > 1
	some index in indexes
}

names(container) := {variable.name | variable := container.env[_]; is_string(variable.name)}
