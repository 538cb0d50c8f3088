package kubekeep.controls.pods_outside_default_namespace

import data.kubekeep.lib.place

violation contains {"path": "metadata.namespace", "message": message} if {
	place.namespace == "default"
}

message := "runs in the namespace default" if {
	input.object.metadata.namespace == "default"
} else := "names no namespace, so it runs in default"
