package kubekeep.controls.gateway_exposure

import data.kubekeep.lib.exposure

kinds := {"GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute", "VirtualService"}

violation contains {"path": "", "message": message} if {
	some service in exposure.services(exposure.namespace(input.object), input.workload.metadata.labels)
	some route in exposure.routes(service, kinds)
	message := sprintf("%s %s/%s exposes Service %s outside the cluster", [
		route.kind,
		route.namespace,
		route.name,
		service.metadata.name,
	])
}
