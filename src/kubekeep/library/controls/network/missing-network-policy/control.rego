package kubekeep.controls.missing_network_policy

import data.kubekeep.lib.hook
import data.kubekeep.lib.identity
import data.kubekeep.lib.network

applies if not hook.runs_once(input.object)

violation contains {"path": "", "message": message} if {
	open
	count(network.unread(identity.namespace)) == 0
	message := sprintf("no network policy in namespace %s selects the pods", [identity.namespace])
}

# Cilium then drops all traffic that no policy allows (Cilium docs, Policy Enforcement Modes).
always if input.cluster.enforcement.always

open if {
	count(network.isolated(identity.namespace, network.pod_labels(identity.namespace, identity.account))) == 0
	not always
}

not_evaluated contains reason if {
	open
	reason := network.unknown(network.unread(identity.namespace))
}
