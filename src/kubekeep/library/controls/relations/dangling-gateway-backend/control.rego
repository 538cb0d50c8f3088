package kubekeep.controls.dangling_gateway_backend

import data.kubekeep.lib.exposure

violation contains {"path": sprintf("spec.rules[%d].backendRefs[%d].name", [rule, at]), "message": message} if {
	some rule, at
	backend := input.object.spec.rules[rule].backendRefs[at]
	is_service(backend)
	namespace := field_or_default(backend, "namespace", own)
	known(namespace)
	not input.cluster.named.Service[namespace][backend.name]
	not unchecked(namespace)
	message := sprintf("Service %s does not exist in namespace %s", [backend.name, namespace])
}

not_evaluated contains sentence if {
	backend := input.object.spec.rules[_].backendRefs[_]
	is_service(backend)
	namespace := field_or_default(backend, "namespace", own)
	not known(namespace)
	sentence := sprintf("the input has no Service in namespace %s: the namespace may be missing from the input", [
		namespace,
	])
}

not_evaluated contains reason if {
	backend := input.object.spec.rules[_].backendRefs[_]
	is_service(backend)
	namespace := field_or_default(backend, "namespace", own)
	not input.cluster.named.Service[namespace][backend.name]
	reason := unchecked(namespace)
}

unchecked(namespace) := input.cluster.unchecked.Service[namespace][key] if {
	namespace == own
	key := sprintf("%s/%s", [input.object.kind, input.object.metadata.name])
}

known(namespace) if namespace == own

known(namespace) if input.cluster.named.Service[namespace]

own := exposure.namespace(input.object)

# Group and kind have defaults (Gateway API reference, BackendObjectReference).
is_service(backend) if {
	field_or_default(backend, "kind", "Service") == "Service"
	field_or_default(backend, "group", "") == ""
}

field_or_default(backend, field, otherwise) := backend[field] if {
	not object.get(backend, field, null) in {null, ""}
} else := otherwise
