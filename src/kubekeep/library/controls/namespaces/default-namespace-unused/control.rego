package kubekeep.controls.default_namespace_unused

import data.kubekeep.lib.identity

violation contains {"path": "metadata.namespace", "message": message} if {
	identity.namespace == "default"
	not of_kubernetes
}

message := "metadata.namespace is default" if {
	input.object.metadata.namespace == "default"
} else := "metadata.namespace is not set: the namespace default is used"

# Objects that the API server and the controller manager create in every cluster.
of_kubernetes if input.object.metadata.name in made[input.object.kind]

made := {
	"ConfigMap": {"kube-root-ca.crt"},
	"EndpointSlice": {"kubernetes"},
	"Endpoints": {"kubernetes"},
	"Service": {"kubernetes"},
	"ServiceAccount": {"default"},
}
