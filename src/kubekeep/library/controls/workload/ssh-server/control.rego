package kubekeep.controls.ssh_server

import data.kubekeep.lib.exposure
import data.kubekeep.lib.identity
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.labels", [input.workload.metadata_path]),
	"message": sprintf("Service %v exposes an SSH port of the pods", [name]),
} if {
	some name in services
}

# Without a Service for the port in the input, the ports of the containers are checked.
violation contains {
	"path": sprintf("%s.ports[%d].containerPort", [container.path, index]),
	"message": sprintf("container %v: containerPort is %d, an SSH port", [
		workload.called(container),
		port.containerPort,
	]),
} if {
	some container in input.workload.containers
	some index
	port := container.ports[index]
	port.containerPort in {22, 2222}
	tcp(port)
	count(services) == 0
}

services contains name if {
	some service in exposure.services(identity.namespace, input.workload.metadata.labels)
	# The selector of an ExternalName Service has no effect.
	object.get(service.spec, "type", "ClusterIP") != "ExternalName"
	offers(service)
	name := service.metadata.name
}

offers(service) if {
	port := service.spec.ports[_]
	some field in ["port", "targetPort"]
	port[field] in {22, 2222}
	tcp(port)
}

tcp(port) if object.get(port, "protocol", "TCP") in {"TCP", "", null}
