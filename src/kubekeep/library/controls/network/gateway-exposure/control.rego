package kubekeep.controls.gateway_exposure

import data.kubekeep.lib.exposure

kinds := {"GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute", "VirtualService"}

violation contains {"path": "", "message": message} if {
	some service in exposure.services(exposure.namespace(input.object), input.workload.metadata.labels)
	some route in exposure.routes(service, kinds)
	message := sprintf("%s %s/%s sends traffic from outside the cluster to Service %s", [
		route.kind,
		route.namespace,
		route.name,
		service.metadata.name,
	])
}
