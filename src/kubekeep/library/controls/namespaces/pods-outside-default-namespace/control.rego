package kubekeep.controls.pods_outside_default_namespace

import data.kubekeep.lib.hook
import data.kubekeep.lib.identity

applies if not hook.runs_once(input.object)

violation contains {"path": "metadata.namespace", "message": message} if {
	identity.namespace == "default"
}

message := "metadata.namespace is default" if {
	input.object.metadata.namespace == "default"
} else := "metadata.namespace is not set: the namespace default is used"
