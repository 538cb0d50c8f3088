package kubekeep.controls.ingress_egress_blocked

import data.kubekeep.lib.network
import data.kubekeep.lib.place

violation contains {"path": "", "message": message} if {
	open := {"egress", "ingress"} - network.isolated(place.namespace, labels)
	count(open) > 0
	message := sprintf("no network policy of namespace %s isolates its pods for %s", [place.namespace, concat(" and ", open)])
}

# Plugins do not apply policies to pods that use the node's own network (Kubernetes docs, Network Policies).
violation contains {"path": sprintf("%s.hostNetwork", [input.workload.path]), "message": message} if {
	input.workload.spec.hostNetwork == true
	message := "network policies do not reach pods on the host network"
}

default own := {}

own := input.workload.metadata.labels if is_object(input.workload.metadata.labels)

# What only Cilium's selectors ask for is looked up only where there are any.
labels := object.union(own, object.union(network.namespace_labels(place.namespace), {
	"io.cilium.k8s.policy.serviceaccount": place.account,
})) if {
	cilium
} else := own

cilium if count(data.cluster.objects["cilium.io/CiliumNetworkPolicy"]) > 0

cilium if count(data.cluster.objects["cilium.io/CiliumClusterwideNetworkPolicy"]) > 0
