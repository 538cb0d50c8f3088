package kubekeep.controls.external_facing

import data.kubekeep.lib.exposure

services := exposure.services(exposure.namespace(input.object), input.workload.metadata.labels)

violation contains {"path": "", "message": message} if {
	some service in services
	exposure.outward(service)
	message := sprintf("Service %s of type %s lets traffic from outside the cluster in", [
		service.metadata.name,
		service.spec.type,
	])
}

violation contains {"path": "", "message": message} if {
	some service in services
	some route in exposure.routes(service, {"Ingress"})
	message := sprintf("Ingress %s sends traffic from outside the cluster to Service %s", [
		route.name,
		service.metadata.name,
	])
}
