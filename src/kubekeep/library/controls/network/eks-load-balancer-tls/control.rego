package kubekeep.controls.eks_load_balancer_tls

import data.kubekeep.lib.exposure

applies if balanced

applies if google_ingress

# The load balancer that GKE creates for a Service forwards traffic unchanged.
balanced if {
	input.object.spec.type == "LoadBalancer"
	not input.cluster.provider == "gke"
}

violation contains {
	"path": `metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"]`,
	"message": sprintf("port %v is for HTTPS, but the annotation aws-load-balancer-ssl-cert is not set", [
		object.get(port, "port", "?"),
	]),
} if {
	balanced
	port := input.object.spec.ports[_]
	exposure.https(port)
	not certified
	not passed_on(port)
}

certified if trim_space(annotation("ssl-cert")) != ""

annotation(name) := input.object.metadata.annotations[key] if {
	key := sprintf("service.beta.kubernetes.io/aws-load-balancer-%s", [name])
}

# The pods terminate TLS, unless the backend protocol of the load balancer is HTTP.
passed_on(port) if {
	not annotation("backend-protocol") == "http"
	encrypted(object.get(port, "targetPort", port.port))
}

encrypted(target) if target in {443, 8443, "443", "8443"}

encrypted(target) if startswith(lower(target), "https")

# GKE

google_ingress if input.object.metadata.annotations["kubernetes.io/ingress.class"] in {"gce", "gce-internal"}

# Without a class in a field or annotation, the load balancers of Google are the default.
google_ingress if {
	input.object.kind == "Ingress"
	input.cluster.provider == "gke"
	not other_class
}

other_class if count(input.object.metadata.annotations["kubernetes.io/ingress.class"]) > 0

other_class if count(input.object.spec.ingressClassName) > 0

violation contains {"path": "spec.tls", "message": message} if {
	google_ingress
	not exposure.tls(input.object)
	message := "spec.tls is not set, and no annotation configures TLS"
}
