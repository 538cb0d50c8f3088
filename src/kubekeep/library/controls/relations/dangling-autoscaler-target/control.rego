package kubekeep.controls.dangling_autoscaler_target

import data.kubekeep.lib.exposure
import data.kubekeep.lib.selection

target := input.object.spec.scaleTargetRef

namespace := exposure.namespace(input.object)

# Custom kinds may have a `scale` subresource without a visible pod template.
applies if {
	target.kind in {"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"}
	split(object.get(target, "apiVersion", "apps/v1"), "/")[0] in {"apps", "extensions", "v1"}
}

exists if input.cluster.pods[namespace].named[sprintf("%v/%v", [target.kind, target.name])]

# A workload with the same name shows that the kind is wrong.
unchecked := input.cluster.unchecked[target.kind][namespace][key] if {
	not exists
	not has_workload(target.name)
	key := sprintf("HorizontalPodAutoscaler/%s", [input.object.metadata.name])
}

has_workload(name) if {
	some pod in input.cluster.pods[namespace].all
	pod.name == name
}

operators := selection.operated(namespace, []) if not exists

not_evaluated contains operators

not_evaluated contains unchecked if not operators

violation contains {"path": "spec.scaleTargetRef.name", "message": message} if {
	not exists
	not operators
	not unchecked
	message := sprintf("%v %v does not exist in namespace %s", [target.kind, object.get(target, "name", ""), namespace])
}
