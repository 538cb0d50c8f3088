package kubekeep.controls.external_facing

import data.kubekeep.lib.exposure

services := exposure.services(exposure.namespace(input.object), input.workload.metadata.labels)

violation contains {"path": "", "message": message} if {
	some service in services
	message := sprintf("Service %s %s exposes the pods outside the cluster", [
		service.metadata.name,
		exposure.outward(service),
	])
}

violation contains {"path": "", "message": message} if {
	some service in services
	some route in exposure.routes(service, {"Ingress"})
	message := sprintf("Ingress %s exposes Service %s outside the cluster", [
		route.name,
		service.metadata.name,
	])
}
