package kubekeep.controls.namespace_network_policy

import data.kubekeep.lib.network
import data.kubekeep.lib.selectors

violation contains {"path": "", "message": message} if {
	open
	count(network.unread(name)) == 0
	message := sprintf("namespace %s has no network policy", [name])
}

name := input.object.metadata.name

labels := network.namespace_labels(name)

covered if count(input.cluster.isolation[""].all) > 0

# A cluster-wide policy that selects only by labels of the namespace selects all its pods.
covered if {
	some selection in network.candidates(name, labels)
	count(selection.directions) > 0
	every key, _ in selection.labels {
		network.of_namespace(key)
	}
	every expression in selection.expressions {
		network.of_namespace(expression.key)
	}
	selectors.selects(selection, labels)
}

open if {
	not input.cluster.isolation[name].isolates
	not covered
}

not_evaluated contains reason if {
	open
	reason := network.unknown(network.unread(name))
}
