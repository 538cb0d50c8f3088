package kubekeep.controls.memory_limit_and_request

import data.kubekeep.lib.quantity

violation contains {
	"path": sprintf("%s.resources.limits.memory", [container.path]),
	"message": "no memory limit",
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.limited(container, "memory")
}

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": "no memory request",
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.requested(container, "memory")
}

violation contains {
	"path": sprintf("%s.resources.limits.memory", [container.path]),
	"message": sprintf("%v is below what memory_limit_min allows", [amount]),
} if {
	some bound in quantity.lowest(input.params.memory_limit_min)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.limit(container, "memory")
	quantity.nano(amount) < bound
}

violation contains {
	"path": sprintf("%s.resources.limits.memory", [container.path]),
	"message": sprintf("%v is above what memory_limit_max allows", [amount]),
} if {
	some bound in quantity.highest(input.params.memory_limit_max)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.limit(container, "memory")
	quantity.nano(amount) > bound
}

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": sprintf("%v is below what memory_request_min allows", [amount]),
} if {
	some bound in quantity.lowest(input.params.memory_request_min)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.request(container, "memory")
	quantity.nano(amount) < bound
}

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": sprintf("%v is above what memory_request_max allows", [amount]),
} if {
	some bound in quantity.highest(input.params.memory_request_max)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.request(container, "memory")
	quantity.nano(amount) > bound
}

declined contains sprintf("%s.resources.%s.memory is not a quantity", [container.path, section]) if {
	some container in input.workload.containers
	some section in quantity.unreadable(container.resources, "memory")
}

declined contains sprintf("%s.resources.%s.memory is not a quantity", [input.workload.path, section]) if {
	some section in quantity.unreadable(input.workload.spec.resources, "memory")
}

declined contains sprintf("the parameter %v is not a quantity", [bound]) if {
	some bounds in [
		input.params.memory_limit_min,
		input.params.memory_limit_max,
		input.params.memory_request_min,
		input.params.memory_request_max,
	]
	some bound in bounds
	not quantity.readable(bound)
}
