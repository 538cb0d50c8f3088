package kubekeep.controls.cpu_limit_and_request

import data.kubekeep.lib.hook
import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

applies if not hook.runs_once(input.object)

violation contains {
	"path": sprintf("%s.resources.%s.cpu", [container.path, section]),
	"message": sprintf("container %v has no CPU %s", [workload.called(container), word]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	some section, word in {"limits": "limit", "requests": "request"}
	# Cheap test that avoids most function calls.
	not container.resources[section].cpu >= "1"
	not quantity.effective(container, section, "cpu")
}

violation contains {
	"path": sprintf("%s.resources.%s.cpu", [container.path, section]),
	"message": sprintf("container %v: resources.%s.cpu is %v, below the minimum of %v", [
		workload.called(container),
		section,
		amount,
		bound,
	]),
} if {
	some section, bounds in {"limits": input.params.cpu_limit_min, "requests": input.params.cpu_request_min}
	some bound in bounds
	bound != "0"
	quantity.positive(bound)
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.effective(container, section, "cpu")
	quantity.nano(amount) < quantity.nano(bound)
}

violation contains {
	"path": sprintf("%s.resources.%s.cpu", [container.path, section]),
	"message": sprintf("container %v: resources.%s.cpu is %v, above the maximum of %v", [
		workload.called(container),
		section,
		amount,
		bound,
	]),
} if {
	some section, bounds in {"limits": input.params.cpu_limit_max, "requests": input.params.cpu_request_max}
	some bound in bounds
	some container in input.workload.containers
	container.type != "ephemeral"
	amount := quantity.effective(container, section, "cpu")
	quantity.nano(amount) > quantity.nano(bound)
}

not_evaluated contains sprintf("%s.resources.%s.cpu is not a valid quantity", [container.path, section]) if {
	some container in input.workload.containers
	some section in ["limits", "requests"]
	amount := container.resources[section].cpu
	not quantity.readable(amount)
}

not_evaluated contains sprintf("%s.resources.%s.cpu is not a valid quantity", [input.workload.path, section]) if {
	some section in ["limits", "requests"]
	amount := input.workload.spec.resources[section].cpu
	not quantity.readable(amount)
}

not_evaluated contains sprintf("the parameter value %v is not a valid quantity", [bound]) if {
	some bounds in [
		input.params.cpu_limit_min,
		input.params.cpu_limit_max,
		input.params.cpu_request_min,
		input.params.cpu_request_max,
	]
	some bound in bounds
	not quantity.readable(bound)
}
