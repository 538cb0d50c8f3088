package kubekeep.controls.dangling_autoscaler_target

import data.kubekeep.lib.exposure
import data.kubekeep.lib.selection

target := input.object.spec.scaleTargetRef

# Custom kinds may have a `scale` subresource without a visible pod template.
applies if {
	target.kind in {"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"}
	split(object.get(target, "apiVersion", "apps/v1"), "/")[0] in {"apps", "extensions", "v1"}
}

exists if input.cluster.pods[exposure.namespace(input.object)].named[sprintf("%v/%v", [target.kind, target.name])]

operators := selection.operated(exposure.namespace(input.object), []) if not exists

not_evaluated contains operators

violation contains {"path": "spec.scaleTargetRef.name", "message": message} if {
	namespace := exposure.namespace(input.object)
	not exists
	not operators
	message := sprintf("%v %v does not exist in namespace %s", [target.kind, object.get(target, "name", ""), namespace])
}
