package kubekeep.controls.sandbox_egress

violation contains {
	"path": "spec.networkPolicyManagement",
	"message": sprintf("networkPolicyManagement is %v, expected Managed", [management]),
} if {
	not managed
}

violation contains {"path": "spec.networkPolicy", "message": "networkPolicy is not set"} if {
	managed
	not is_object(input.object.spec.networkPolicy)
}

violation contains {"path": "spec.networkPolicy.egress", "message": "networkPolicy.egress is not a list"} if {
	managed
	egress != null
	not is_array(egress)
}

violation contains {
	"path": "spec.networkPolicy.egress",
	"message": sprintf("networkPolicy.egress[%d]: to does not restrict the destinations", [index]),
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
