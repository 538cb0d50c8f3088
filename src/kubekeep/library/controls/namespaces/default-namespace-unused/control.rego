package kubekeep.controls.default_namespace_unused

import data.kubekeep.lib.place

violation contains {"path": "metadata.namespace", "message": message} if {
	place.namespace == "default"
	not of_kubernetes
}

message := "lies in the namespace default" if {
	input.object.metadata.namespace == "default"
} else := "names no namespace, so it goes to default"

# Objects that the API server and the controller manager create in every cluster.
of_kubernetes if input.object.metadata.name in made[input.object.kind]

made := {
	"ConfigMap": {"kube-root-ca.crt"},
	"EndpointSlice": {"kubernetes"},
	"Endpoints": {"kubernetes"},
	"Service": {"kubernetes"},
	"ServiceAccount": {"default"},
}
