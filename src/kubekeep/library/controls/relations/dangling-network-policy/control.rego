package kubekeep.controls.dangling_network_policy

import data.kubekeep.lib.exposure
import data.kubekeep.lib.selection

not_evaluated contains selection.unknown(foreign) if count(foreign) > 0

namespace := exposure.namespace(input.object)

foreign := selection.foreign(namespace, object.keys(labels) | {expression.key |
	expression := expressions[_]
	expression.operator in {"In", "Exists"}
})

operators := selection.operated(namespace, pairs) if not is_selecting

pairs := array.concat(
	[[key, value] | some key, value in labels],
	[[expression.key, value] | some expression in expressions; some value in expression.values],
)

not_evaluated contains operators if count(labels) + count(expressions) > 0

is_selecting if selection.selected(namespace, labels, expressions)

violation contains {"path": "spec.podSelector", "message": message} if {
	count(labels) + count(expressions) > 0
	count(foreign) == 0
	not is_selecting
	not operators
	message := sprintf("podSelector matches no workload in namespace %s", [namespace])
}

default labels := {}

labels := input.object.spec.podSelector.matchLabels if is_object(input.object.spec.podSelector.matchLabels)

expressions := [expression |
	expression := input.object.spec.podSelector.matchExpressions[_]
	is_object(expression)
]
