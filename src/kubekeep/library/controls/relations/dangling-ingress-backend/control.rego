package kubekeep.controls.dangling_ingress_backend

import data.kubekeep.lib.exposure

namespace := exposure.namespace(input.object)

violation contains {"path": sprintf("%s.%s", [backend.path, name.field]), "message": message} if {
	some backend in backends
	name := service(backend.value)
	not input.cluster.named.Service[namespace][name.value]
	message := sprintf("Service %s does not exist in namespace %s", [name.value, namespace])
}

backends contains {"path": sprintf("spec.%s", [field]), "value": value} if {
	some field in ["defaultBackend", "backend"]
	value := input.object.spec[field]
}

backends contains {"path": sprintf("spec.rules[%d].http.paths[%d].backend", [rule, at]), "value": value} if {
	some rule, at
	value := input.object.spec.rules[rule].http.paths[at].backend
}

# With this port, the AWS controller reads the name as the name of an annotation.
service(backend) := {"field": "service.name", "value": backend.service.name} if {
	backend.service.name != ""
	not backend.service.port.name == "use-annotation"
} else := {"field": "serviceName", "value": backend.serviceName} if {
	backend.serviceName != ""
	not backend.servicePort == "use-annotation"
}
