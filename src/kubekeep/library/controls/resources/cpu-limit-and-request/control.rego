package kubekeep.controls.cpu_limit_and_request

import data.kubekeep.lib.quantity

violation contains {
	"path": sprintf("%s.resources.limits.cpu", [container.path]),
	"message": "no CPU limit",
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.limited(container, "cpu")
}

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": "no CPU request",
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.requested(container, "cpu")
}

violation contains {
	"path": sprintf("%s.resources.limits.cpu", [container.path]),
	"message": sprintf("%v is below what cpu_limit_min allows", [amount]),
} if {
	some bound in quantity.lowest(input.params.cpu_limit_min)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.limit(container, "cpu")
	quantity.nano(amount) < bound
}

violation contains {
	"path": sprintf("%s.resources.limits.cpu", [container.path]),
	"message": sprintf("%v is above what cpu_limit_max allows", [amount]),
} if {
	some bound in quantity.highest(input.params.cpu_limit_max)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.limit(container, "cpu")
	quantity.nano(amount) > bound
}

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": sprintf("%v is below what cpu_request_min allows", [amount]),
} if {
	some bound in quantity.lowest(input.params.cpu_request_min)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.request(container, "cpu")
	quantity.nano(amount) < bound
}

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": sprintf("%v is above what cpu_request_max allows", [amount]),
} if {
	some bound in quantity.highest(input.params.cpu_request_max)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.request(container, "cpu")
	quantity.nano(amount) > bound
}

declined contains sprintf("%s.resources.%s.cpu is not a quantity", [container.path, section]) if {
	some container in input.workload.containers
	some section in quantity.unreadable(container.resources, "cpu")
}

declined contains sprintf("%s.resources.%s.cpu is not a quantity", [input.workload.path, section]) if {
	some section in quantity.unreadable(input.workload.spec.resources, "cpu")
}

declined contains sprintf("the parameter %v is not a quantity", [bound]) if {
	some bounds in [
		input.params.cpu_limit_min,
		input.params.cpu_limit_max,
		input.params.cpu_request_min,
		input.params.cpu_request_max,
	]
	some bound in bounds
	not quantity.readable(bound)
}
