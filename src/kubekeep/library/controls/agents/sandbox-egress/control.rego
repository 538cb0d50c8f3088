package kubekeep.controls.sandbox_egress

violation contains {
	"path": "spec.networkPolicyManagement",
	"message": sprintf("the network policy is not managed: networkPolicyManagement is %v", [management]),
} if {
	not managed
}

violation contains {"path": "spec.networkPolicy", "message": "no network policy is written"} if {
	managed
	not is_object(input.object.spec.networkPolicy)
}

violation contains {"path": "spec.networkPolicy.egress", "message": "egress is not a list of rules"} if {
	managed
	egress != null
	not is_array(egress)
}

violation contains {
	"path": "spec.networkPolicy.egress",
	"message": sprintf("egress rule %d does not say where to", [index]),
} if {
	managed
	is_array(egress)
	some index
	rule := egress[index]
	not named(rule)
}

management := object.get(input.object.spec, "networkPolicyManagement", "")

# The default is Managed.
managed if management in {"Managed", "", null}

egress := input.object.spec.networkPolicy.egress

named(rule) if {
	count(rule.to) > 0
	every index in numbers.range(0, count(rule.to) - 1) {
		destination(rule.to[index])
	}
}

destination(peer) if {
	some field in ["podSelector", "namespaceSelector"]
	some requirement in ["matchLabels", "matchExpressions"]
	count(peer[field][requirement]) > 0
} else if {
	# `except` is ignored: the rest of the internet stays reachable.
	regex.match(`/0*([2-9]|[1-9][0-9]+)$`, trim_space(peer.ipBlock.cidr))
}
