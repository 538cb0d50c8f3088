package kubekeep.controls.sandbox_resource_ceilings

import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.resources.limits.%s", [container.path, resource]),
	"message": sprintf("container %v has no %s limit", [
		workload.called(container),
		{"cpu": "CPU", "memory": "memory"}[resource],
	]),
} if {
	some container in containers
	some resource, _ in ceilings
	not quantity.effective(container, "limits", resource)
}

violation contains {
	"path": sprintf("%s.resources.limits.%s", [container.path, resource]),
	"message": sprintf("container %v: resources.limits.%s is %v, above the maximum of %v", [
		workload.called(container),
		resource,
		amount,
		bound,
	]),
} if {
	some resource, bounds in ceilings
	some bound in bounds
	some container in containers
	amount := quantity.effective(container, "limits", resource)
	quantity.nano(amount) > quantity.nano(bound)
}

not_evaluated contains sprintf("%s.resources.limits.%s is not a valid quantity", [container.path, resource]) if {
	some container in containers
	some resource, _ in ceilings
	amount := container.resources.limits[resource]
	not quantity.readable(amount)
}

not_evaluated contains sprintf("%s.resources.limits.%s is not a valid quantity", [input.workload.path, resource]) if {
	some resource, _ in ceilings
	amount := input.workload.spec.resources.limits[resource]
	not quantity.readable(amount)
}

not_evaluated contains sprintf("the parameter value %v is not a valid quantity", [bound]) if {
	some bounds in ceilings
	some bound in bounds
	not quantity.readable(bound)
}

not_evaluated contains "the pod template has no containers" if count(containers) == 0

containers := [container | some container in input.workload.containers; container.type != "ephemeral"]

ceilings := {"cpu": input.params.sandbox_cpu_limit_max, "memory": input.params.sandbox_memory_limit_max}
