package kubekeep.controls.memory_limit

import data.kubekeep.lib.quantity

violation contains {"path": sprintf("%s.resources.limits.memory", [container.path])} if {
	some container in quantity.counted
	not quantity.limited(container, "memory")
}

declined contains sprintf("%s is not a quantity", [path]) if some path in quantity.unreadable("memory")
