package kubekeep.controls.ingress_egress_blocked

import data.kubekeep.lib.network
import data.kubekeep.lib.identity

violation contains {"path": "", "message": message} if {
	some message in problems
	count(unread) == 0
}

not_evaluated contains reason if {
	count(problems) > 0
	reason := network.unknown(unread)
}

problems contains message if {
	open := {"egress", "ingress"} - isolated
	count(open) > 0
	message := sprintf("no network policy in namespace %s isolates the pods for %s", [
		identity.namespace,
		concat(" and ", open),
	])
}

# Policies are additive: one that allows all traffic cancels the others (Kubernetes docs, Network Policies).
problems contains message if {
	some direction, policies in network.opened(identity.namespace, labels)
	direction in isolated
	message := sprintf("%s allows all %s traffic of the pods", [concat(", ", policies), direction])
}

# Plugins do not apply policies to pods with host networking (Kubernetes docs, Network Policies).
violation contains {"path": sprintf("%s.hostNetwork", [input.workload.path]), "message": message} if {
	input.workload.spec.hostNetwork == true
	message := "hostNetwork is true: network policies do not apply to the pod"
}

unread := network.unread(identity.namespace)

isolated := network.isolated(identity.namespace, labels)

labels := network.pod_labels(identity.namespace, identity.account)
