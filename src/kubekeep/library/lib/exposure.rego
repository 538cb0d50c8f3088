# Exposure of workloads: Services that select their pods, and entry points of the cluster.
package kubekeep.lib.exposure

# An object without a namespace is applied to `default`.
namespace(resource) := resource.metadata.namespace if {
	is_string(resource.metadata.namespace)
	resource.metadata.namespace != ""
} else := "default"

# Services that select pods with these labels; each Service is indexed by its rarest label.
services(namespace_name, labels) := [service |
	candidates := input.cluster.selecting[namespace_name]
	some key, value in object.union(labels, named)
	service := candidates[sprintf("%s=%v", [key, value])][_]
	every selector_key, selector_value in service.spec.selector {
		carries(labels, selector_key, selector_value)
	}
]

# The key for Services that select one pod of a StatefulSet by the label that its controller sets.
default named := {}

named := {"statefulset.kubernetes.io/pod-name": input.object.metadata.name} if input.object.kind == "StatefulSet"

carries(labels, key, value) if labels[key] == value

carries(_, "statefulset.kubernetes.io/pod-name", value) if {
	input.object.kind == "StatefulSet"
	regex.replace(value, `-[0-9]+$`, "") == input.object.metadata.name
}

carries(_, "apps.kubernetes.io/pod-index", _) if input.object.kind == "StatefulSet"

# The field that makes a Service reachable from outside the cluster: its type, with a port on every node or a cloud
# address, or external addresses that the nodes accept; undefined if none does.
outward(service) := sprintf("of type %s", [service.spec.type]) if {
	service.spec.type in {"LoadBalancer", "NodePort"}
} else := "with externalIPs" if {
	count(service.spec.externalIPs) > 0
	object.get(service.spec, "type", "ClusterIP") in {"ClusterIP", "", null}

	# kube-proxy skips Services without a cluster IP.
	object.get(service.spec, "clusterIP", "") != "None"
}

# Ingresses or routes of these kinds that send external traffic to a Service.
routes(service, kinds) := [route |
	route := input.cluster.routed[namespace(service)][service.metadata.name][_]
	route.kind in kinds
]

# True if an Ingress terminates TLS for some host, by its spec or by annotations of cloud controllers.
tls(ingress) if count(ingress.spec.tls) > 0

tls(ingress) if annotated(ingress)

annotated(ingress) if {
	some key in [
		"alb.ingress.kubernetes.io/certificate-arn",
		"appgw.ingress.kubernetes.io/appgw-ssl-certificate",
		"ingress.gcp.kubernetes.io/pre-shared-cert",
		"networking.gke.io/managed-certificates",
	]
	trim_space(ingress.metadata.annotations[key]) != ""
}

annotated(ingress) if contains(ingress.metadata.annotations["alb.ingress.kubernetes.io/listen-ports"], "HTTPS")

annotated(ingress) if ingress.metadata.annotations["traefik.ingress.kubernetes.io/router.tls"] == "true"

# Indices of the rules of an Ingress with TLS whose host no TLS entry covers.
uncovered(ingress) := {index |
	count(ingress.spec.tls) > 0
	not annotated(ingress)
	some index
	host := ingress.spec.rules[index].host
	not host in {"", null}
	not covered(ingress, host)
}

covered(ingress, host) if {
	entry := ingress.spec.tls[_]
	covers(entry, host)
}

# Without hosts, the entry is for the host of the controller (API reference, IngressTLS).
covers(entry, _) if not entry.hosts[0]

covers(entry, host) if host in entry.hosts

# A wildcard is for one label, and a certificate for one name is not for a wildcard.
covers(entry, host) if {
	wildcard := entry.hosts[_]
	startswith(wildcard, "*.")
	not startswith(host, "*.")
	wildcard == regex.replace(host, `^[^.]+`, "*")
}

# True if a port of a Service is for HTTPS, by its number, name or protocol.
https(port) if port.port == 443

https(port) if port.port == 8443

https(port) if lower(port.name) == "https"

https(port) if startswith(lower(port.name), "https-")

https(port) if lower(port.appProtocol) in {"https", "kubernetes.io/wss"}
