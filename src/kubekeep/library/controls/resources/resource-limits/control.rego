package kubekeep.controls.resource_limits

import data.kubekeep.lib.quantity

violation contains {"path": sprintf("%s.resources.limits.%s", [container.path, resource])} if {
	some resource in ["cpu", "memory"]
	not defaulted[resource]
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.limited(container, resource)
}

declined contains sprintf("%s.resources.%s.%s is not a quantity", [container.path, section, resource]) if {
	some container in input.workload.containers
	some resource in ["cpu", "memory"]
	some section in quantity.unreadable(container.resources, resource)
}

declined contains sprintf("%s.resources.%s.%s is not a quantity", [input.workload.path, section, resource]) if {
	some resource in ["cpu", "memory"]
	some section in quantity.unreadable(input.workload.spec.resources, resource)
}

# What a LimitRange gives containers that say nothing: its default, or its maximum where it has none.
defaulted contains resource if {
	namespace := object.get(input.object, ["metadata", "namespace"], "default")
	some range in input.cluster.objects.LimitRange[namespace]
	item := range.spec.limits[_]
	item.type == "Container"
	some field in ["default", "max"]
	some resource
	amount := item[field][resource]
	quantity.positive(amount)
}
