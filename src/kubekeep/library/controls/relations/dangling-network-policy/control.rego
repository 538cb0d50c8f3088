package kubekeep.controls.dangling_network_policy

import data.kubekeep.lib.exposure
import data.kubekeep.lib.selection

violation contains {"path": "spec.podSelector", "message": message} if {
	count(labels) + count(expressions) > 0
	namespace := exposure.namespace(input.object)
	not selection.selected(namespace, labels, expressions)
	message := sprintf("podSelector matches no workload in namespace %s", [namespace])
}

default labels := {}

labels := input.object.spec.podSelector.matchLabels if is_object(input.object.spec.podSelector.matchLabels)

expressions := [item |
	item := input.object.spec.podSelector.matchExpressions[_]
	is_object(item)
]
