package kubekeep.controls.memory_request

import data.kubekeep.lib.hook
import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

applies if not hook.runs_once(input.object)

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": sprintf("container %v has no memory request", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	# Cheap test that avoids most function calls.
	not container.resources.requests.memory >= "1"
	not quantity.effective(container, "requests", "memory")
	not quantity.is_covered(container, "memory")
}

not_evaluated contains sprintf("%s.resources.requests.memory is not a valid quantity", [container.path]) if {
	some container in input.workload.containers
	amount := container.resources.requests.memory
	not quantity.readable(amount)
}

not_evaluated contains sprintf("%s.resources.requests.memory is not a valid quantity", [input.workload.path]) if {
	amount := input.workload.spec.resources.requests.memory
	not quantity.readable(amount)
}

# Without a request, the limit is the request.
not_evaluated contains sprintf("%s.resources.limits.memory is not a valid quantity", [container.path]) if {
	some container in input.workload.containers
	amount := container.resources.limits.memory
	not quantity.readable(amount)
	not container.resources.requests.memory
}

not_evaluated contains sprintf("%s.resources.limits.memory is not a valid quantity", [input.workload.path]) if {
	amount := input.workload.spec.resources.limits.memory
	not quantity.readable(amount)
	not input.workload.spec.resources.requests.memory
}
