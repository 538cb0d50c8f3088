package kubekeep.controls.cpu_request

import data.kubekeep.lib.hook
import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

applies if not hook.runs_once(input.object)

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": sprintf("container %v has no CPU request", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	# Cheap test that avoids most function calls.
	not container.resources.requests.cpu >= "1"
	not quantity.effective(container, "requests", "cpu")
	not quantity.is_covered(container, "cpu")
}

not_evaluated contains sprintf("%s.resources.requests.cpu is not a valid quantity", [container.path]) if {
	some container in input.workload.containers
	amount := container.resources.requests.cpu
	not quantity.readable(amount)
}

not_evaluated contains sprintf("%s.resources.requests.cpu is not a valid quantity", [input.workload.path]) if {
	amount := input.workload.spec.resources.requests.cpu
	not quantity.readable(amount)
}

# Without a request, the limit is the request.
not_evaluated contains sprintf("%s.resources.limits.cpu is not a valid quantity", [container.path]) if {
	some container in input.workload.containers
	amount := container.resources.limits.cpu
	not quantity.readable(amount)
	not container.resources.requests.cpu
}

not_evaluated contains sprintf("%s.resources.limits.cpu is not a valid quantity", [input.workload.path]) if {
	amount := input.workload.spec.resources.limits.cpu
	not quantity.readable(amount)
	not input.workload.spec.resources.requests.cpu
}
