package kubekeep.controls.aks_load_balancer_tls

import data.kubekeep.lib.exposure

applies if input.object.kind == "Ingress"

applies if input.object.spec.type == "LoadBalancer"

violation contains {"path": "spec.tls", "message": "spec.tls is not set, and no annotation configures TLS"} if {
	input.object.kind == "Ingress"
	not exposure.tls(input.object)
}

violation contains {"path": sprintf("spec.rules[%d].host", [index]), "message": message} if {
	input.object.kind == "Ingress"
	some index in exposure.uncovered(input.object)
	message := sprintf("no entry of spec.tls covers the host %v", [input.object.spec.rules[index].host])
}

# Azure load balancers do not terminate TLS: the protocol of the pods determines the security of a port.
violation contains {"path": sprintf("spec.ports[%d]", [index]), "message": message} if {
	input.object.spec.type == "LoadBalancer"
	not secure
	some index
	port := input.object.spec.ports[index]
	http(port)
	message := sprintf("port %v of the load balancer is for HTTP without TLS", [object.get(port, "port", "?")])
}

secure if exposure.https(input.object.spec.ports[_])

secure if count(exposure.routes(input.object, {"Ingress"})) > 0

http(port) if port.port in {80, 8080}

http(port) if lower(port.name) == "http"

http(port) if startswith(lower(port.name), "http-")

http(port) if lower(port.appProtocol) in {"http", "kubernetes.io/h2c", "kubernetes.io/ws"}
