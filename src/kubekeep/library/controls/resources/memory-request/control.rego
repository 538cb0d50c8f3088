package kubekeep.controls.memory_request

import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.resources.requests.memory", [container.path]),
	"message": sprintf("container %v requests no memory", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.requested(container, "memory")
}

declined contains sprintf("%s.resources.requests.memory is not a quantity", [container.path]) if {
	some container in input.workload.containers
	"requests" in quantity.unreadable(container.resources, "memory")
}

declined contains sprintf("%s.resources.requests.memory is not a quantity", [input.workload.path]) if {
	"requests" in quantity.unreadable(input.workload.spec.resources, "memory")
}
