package kubekeep.controls.ingress_egress_blocked

import data.kubekeep.lib.network
import data.kubekeep.lib.place

violation contains {"path": "", "message": message} if {
	labels := network.pod_labels(place.namespace, place.account)
	open := {"egress", "ingress"} - network.isolated(place.namespace, labels)
	count(open) > 0
	message := sprintf("no network policy in namespace %s isolates the pods for %s", [
		place.namespace,
		concat(" and ", open),
	])
}

# Plugins do not apply policies to pods with host networking (Kubernetes docs, Network Policies).
violation contains {"path": sprintf("%s.hostNetwork", [input.workload.path]), "message": message} if {
	input.workload.spec.hostNetwork == true
	message := "hostNetwork is true: network policies do not apply to the pod"
}
