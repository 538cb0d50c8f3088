package kubekeep.controls.memory_limit_and_request

import data.kubekeep.lib.quantity

violation contains {
	"path": sprintf("%s.resources.limits.memory", [container.path]),
	"message": "no memory limit",
} if {
	some container in quantity.counted
	quantity.unlimited(container, "memory")
}

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": "no memory request, nor a limit to take it from",
} if {
	some container in quantity.counted
	quantity.unrequested(container, "memory")
}

violation contains {
	"path": sprintf("%s.resources.limits.memory", [container.path]),
	"message": sprintf("%v is outside the allowed memory limits", [amount]),
} if {
	some container in quantity.counted
	not quantity.unlimited(container, "memory")
	amount := quantity.limit(container, "memory")
	quantity.outside(amount, data.params.memory_limit_min, data.params.memory_limit_max)
}

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": sprintf("%v is outside the allowed memory requests", [amount]),
} if {
	some container in quantity.counted
	not quantity.unrequested(container, "memory")
	amount := quantity.request(container, "memory")
	quantity.outside(amount, data.params.memory_request_min, data.params.memory_request_max)
}

declined contains sprintf("%s is not a quantity", [path]) if some path in quantity.unreadable("memory")

declined contains sprintf("the parameter %v is not a quantity", [bound]) if {
	some bounds in [
		data.params.memory_limit_min,
		data.params.memory_limit_max,
		data.params.memory_request_min,
		data.params.memory_request_max,
	]
	some bound in bounds
	not quantity.nano(bound)
}
