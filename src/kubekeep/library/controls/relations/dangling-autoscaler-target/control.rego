package kubekeep.controls.dangling_autoscaler_target

import data.kubekeep.lib.exposure

target := input.object.spec.scaleTargetRef

# Custom kinds may have a `scale` subresource without a visible pod template.
applies if {
	target.kind in {"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"}
	split(object.get(target, "apiVersion", "apps/v1"), "/")[0] in {"apps", "extensions", "v1"}
}

violation contains {"path": "spec.scaleTargetRef.name", "message": message} if {
	namespace := exposure.namespace(input.object)
	not input.cluster.pods[namespace].named[sprintf("%v/%v", [target.kind, target.name])]
	message := sprintf("%v %v does not exist in namespace %s", [target.kind, object.get(target, "name", ""), namespace])
}
