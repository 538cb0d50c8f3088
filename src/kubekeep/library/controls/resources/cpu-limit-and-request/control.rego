package kubekeep.controls.cpu_limit_and_request

import data.kubekeep.lib.quantity

violation contains {
	"path": sprintf("%s.resources.limits.cpu", [container.path]),
	"message": "no cpu limit",
} if {
	some container in quantity.counted
	quantity.unlimited(container, "cpu")
}

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": "no cpu request, nor a limit to take it from",
} if {
	some container in quantity.counted
	quantity.unrequested(container, "cpu")
}

violation contains {
	"path": sprintf("%s.resources.limits.cpu", [container.path]),
	"message": sprintf("%v is outside the allowed cpu limits", [amount]),
} if {
	some container in quantity.counted
	not quantity.unlimited(container, "cpu")
	amount := quantity.limit(container, "cpu")
	quantity.outside(amount, data.params.cpu_limit_min, data.params.cpu_limit_max)
}

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": sprintf("%v is outside the allowed cpu requests", [amount]),
} if {
	some container in quantity.counted
	not quantity.unrequested(container, "cpu")
	amount := quantity.request(container, "cpu")
	quantity.outside(amount, data.params.cpu_request_min, data.params.cpu_request_max)
}

declined contains sprintf("%s is not a quantity", [path]) if some path in quantity.unreadable("cpu")

declined contains sprintf("the parameter %v is not a quantity", [bound]) if {
	some bounds in [
		data.params.cpu_limit_min,
		data.params.cpu_limit_max,
		data.params.cpu_request_min,
		data.params.cpu_request_max,
	]
	some bound in bounds
	not quantity.nano(bound)
}
