package kubekeep.controls.resource_limits

import data.kubekeep.lib.hook
import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

applies if not hook.runs_once(input.object)

violation contains {
	"path": sprintf("%s.resources.limits.%s", [container.path, resource]),
	"message": sprintf("container %v has no %s limit", [workload.called(container), word]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	some resource, word in {"cpu": "CPU", "memory": "memory"}
	# Cheap test that avoids most function calls.
	not container.resources.limits[resource] >= "1"
	not quantity.effective(container, "limits", resource)
}

not_evaluated contains sprintf("%s.resources.%s.%s is not a valid quantity", [container.path, section, resource]) if {
	some container in input.workload.containers
	some section in ["limits", "requests"]
	some resource in ["cpu", "memory"]
	amount := container.resources[section][resource]
	not quantity.readable(amount)
}

not_evaluated contains sprintf("%s.resources.%s.%s is not a valid quantity", [input.workload.path, section, resource]) if {
	some section in ["limits", "requests"]
	some resource in ["cpu", "memory"]
	amount := input.workload.spec.resources[section][resource]
	not quantity.readable(amount)
}
