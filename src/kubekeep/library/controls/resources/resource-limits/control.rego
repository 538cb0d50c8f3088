package kubekeep.controls.resource_limits

import data.kubekeep.lib.quantity

violation contains {"path": sprintf("%s.resources.limits.%s", [container.path, resource])} if {
	some resource in ["cpu", "memory"]
	not defaulted[resource]
	some container in quantity.counted
	not quantity.limited(container, resource)
}

declined contains sprintf("%s is not a quantity", [path]) if {
	some resource in ["cpu", "memory"]
	some path in quantity.unreadable(resource)
}

# What a LimitRange gives containers that say nothing: its default, or its maximum where it has none.
defaulted contains resource if {
	namespace := object.get(input.object, ["metadata", "namespace"], "default")
	some range in data.cluster.objects.LimitRange[namespace]
	item := range.spec.limits[_]
	item.type == "Container"
	some field in ["default", "max"]
	some resource
	amount := item[field][resource]
	quantity.positive(amount)
}
