package kubekeep.controls.coredns_configuration_changes

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	reaches_dns
	entries := rbac.granting(rules, {"": {"*", "configmaps"}}, {"*", "patch", "update"})
	paths := rbac.located(entries)
	count(paths) > 0
	message := rbac.message("change the configuration of CoreDNS")
	some path in paths
}

reaches_dns if rbac.cluster_wide

reaches_dns if rbac.binding.metadata.namespace == "kube-system"

reaches_dns if {
	rbac.unbound
	input.object.metadata.namespace == "kube-system"
}

# Rules that apply to the ConfigMap, by index in the role.
rules[index] := rule if {
	rule := rbac.role.rules[index]
	not of_others(rule)
}

of_others(rule) if {
	rbac.names(rule)
	not "coredns" in rule.resourceNames
}

not_evaluated contains rbac.unknown_role
