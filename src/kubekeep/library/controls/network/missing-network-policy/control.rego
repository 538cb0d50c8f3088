package kubekeep.controls.missing_network_policy

import data.kubekeep.lib.network
import data.kubekeep.lib.place

violation contains {"path": "", "message": message} if {
	open
	count(network.unread(place.namespace)) == 0
	message := sprintf("no network policy in namespace %s selects the pods", [place.namespace])
}

# Cilium then drops all traffic that no policy allows (Cilium docs, Policy Enforcement Modes).
always if input.cluster.enforcement.always

open if {
	count(network.isolated(place.namespace, network.pod_labels(place.namespace, place.account))) == 0
	not always
}

declined contains reason if {
	open
	reason := network.unknown(network.unread(place.namespace))
}
