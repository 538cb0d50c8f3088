package kubekeep.controls.memory_limit_and_request

import data.kubekeep.lib.hook
import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

applies if not hook.runs_once(input.object)

violation contains {
	"path": sprintf("%s.resources.%s.memory", [container.path, section]),
	"message": sprintf("container %v has no memory %s", [workload.called(container), word]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	some section, word in {"limits": "limit", "requests": "request"}
	# Cheap test that avoids most function calls.
	not container.resources[section].memory >= "1"
	not quantity.effective(container, section, "memory")
}

violation contains {
	"path": sprintf("%s.resources.%s.memory", [container.path, section]),
	"message": sprintf("container %v: resources.%s.memory is %v, below the minimum of %v", [
		workload.called(container),
		section,
		amount,
		bound,
	]),
} if {
	some section, bounds in {"limits": input.params.memory_limit_min, "requests": input.params.memory_request_min}
	some bound in bounds
	bound != "0"
	quantity.positive(bound)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.effective(container, section, "memory")
	quantity.nano(amount) < quantity.nano(bound)
}

violation contains {
	"path": sprintf("%s.resources.%s.memory", [container.path, section]),
	"message": sprintf("container %v: resources.%s.memory is %v, above the maximum of %v", [
		workload.called(container),
		section,
		amount,
		bound,
	]),
} if {
	some section, bounds in {"limits": input.params.memory_limit_max, "requests": input.params.memory_request_max}
	some bound in bounds
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.effective(container, section, "memory")
	quantity.nano(amount) > quantity.nano(bound)
}

not_evaluated contains sprintf("%s.resources.%s.memory is not a valid quantity", [container.path, section]) if {
	some container in input.workload.containers
	some section in ["limits", "requests"]
	amount := container.resources[section].memory
	not quantity.readable(amount)
}

not_evaluated contains sprintf("%s.resources.%s.memory is not a valid quantity", [input.workload.path, section]) if {
	some section in ["limits", "requests"]
	amount := input.workload.spec.resources[section].memory
	not quantity.readable(amount)
}

not_evaluated contains sprintf("the parameter value %v is not a valid quantity", [bound]) if {
	some bounds in [
		input.params.memory_limit_min,
		input.params.memory_limit_max,
		input.params.memory_request_min,
		input.params.memory_request_max,
	]
	some bound in bounds
	not quantity.readable(bound)
}
