package kubekeep.controls.insecure_capabilities

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v: capabilities.add contains %s", [workload.called(container), name]),
} if {
	some container in input.workload.containers
	some index
	name := container.securityContext.capabilities.add[index]
	insecure[workload.capability(name)]
}

insecure contains workload.capability(name) if some name in input.params.insecureCapabilities
