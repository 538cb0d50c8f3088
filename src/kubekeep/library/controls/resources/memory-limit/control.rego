package kubekeep.controls.memory_limit

import data.kubekeep.lib.quantity

violation contains {"path": sprintf("%s.resources.limits.memory", [container.path])} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.limited(container, "memory")
}

declined contains sprintf("%s.resources.%s.memory is not a quantity", [container.path, section]) if {
	some container in input.workload.containers
	some section in quantity.unreadable(container.resources, "memory")
}

declined contains sprintf("%s.resources.%s.memory is not a quantity", [input.workload.path, section]) if {
	some section in quantity.unreadable(input.workload.spec.resources, "memory")
}
