package kubekeep.controls.cpu_limit

import data.kubekeep.lib.quantity

violation contains {"path": sprintf("%s.resources.limits.cpu", [container.path])} if {
	some container in quantity.counted
	not quantity.limited(container, "cpu")
}

declined contains sprintf("%s is not a quantity", [path]) if some path in quantity.unreadable("cpu")
