package kubekeep.controls.cpu_limit

import data.kubekeep.lib.hook
import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

applies if not hook.runs_once(input.object)

violation contains {
	"path": sprintf("%s.resources.limits.cpu", [container.path]),
	"message": sprintf("container %v has no CPU limit", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	# Cheap test that avoids most function calls.
	not container.resources.limits.cpu >= "1"
	not quantity.effective(container, "limits", "cpu")
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
