package kubekeep.controls.eks_load_balancer_tls

import data.kubekeep.lib.exposure

applies if input.object.spec.type == "LoadBalancer"

violation contains {
	"path": `metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"]`,
	"message": sprintf("port %v has no certificate", [object.get(port, "port", "?")]),
} if {
	port := input.object.spec.ports[_]
	exposure.https(port)
	not certified
	not passed_on(port)
}

certified if trim_space(annotation("ssl-cert")) != ""

annotation(name) := input.object.metadata.annotations[key] if {
	key := sprintf("service.beta.kubernetes.io/aws-load-balancer-%s", [name])
}

# The pods end TLS themselves, unless the balancer is told to speak HTTP with them.
passed_on(port) if {
	not annotation("backend-protocol") == "http"
	encrypted(object.get(port, "targetPort", port.port))
}

encrypted(target) if target in {443, 8443, "443", "8443"}

encrypted(target) if startswith(lower(target), "https")
