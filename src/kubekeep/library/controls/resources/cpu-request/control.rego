package kubekeep.controls.cpu_request

import data.kubekeep.lib.quantity
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.resources.requests.cpu", [container.path]),
	"message": sprintf("container %v requests no CPU", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.type != "ephemeral"
	not quantity.requested(container, "cpu")
}

declined contains sprintf("%s.resources.requests.cpu is not a quantity", [container.path]) if {
	some container in input.workload.containers
	"requests" in quantity.unreadable(container.resources, "cpu")
}

declined contains sprintf("%s.resources.requests.cpu is not a quantity", [input.workload.path]) if {
	"requests" in quantity.unreadable(input.workload.spec.resources, "cpu")
}
