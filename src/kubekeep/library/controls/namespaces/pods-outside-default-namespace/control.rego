package kubekeep.controls.pods_outside_default_namespace

import data.kubekeep.lib.identity

violation contains {"path": "metadata.namespace", "message": message} if {
	identity.namespace == "default"
}

message := "metadata.namespace is default" if {
	input.object.metadata.namespace == "default"
} else := "metadata.namespace is not set: the namespace default is used"
