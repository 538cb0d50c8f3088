package kubekeep.controls.dangling_ingress_backend

import data.kubekeep.lib.exposure

namespace := exposure.namespace(input.object)

violation contains {"path": sprintf("%s.%s", [backend.path, name.field]), "message": message} if {
	some backend in backends
	name := service(backend.value)
	not exists(name.value)
	not unchecked
	message := sprintf("Service %s does not exist in namespace %s", [name.value, namespace])
}

not_evaluated contains unchecked if {
	name := service(backends[_].value)
	not exists(name.value)
}

unchecked := input.cluster.unchecked.Service[namespace][sprintf("Ingress/%s", [input.object.metadata.name])]

exists(name) if input.cluster.named.Service[namespace][name]

# The API server creates this Service in every cluster.
exists("kubernetes") if namespace == "default"

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
