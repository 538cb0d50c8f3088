package kubekeep.controls.coredns_configuration_changes

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("change the configuration of CoreDNS")} if {
	reaches_dns
	entries := rbac.granting(rules, {"": {"*", "configmaps"}}, {"*", "patch", "update"})
	some path in rbac.located(entries)
}

reaches_dns if input.object.relatedObjects[0].kind == "ClusterRoleBinding"

reaches_dns if input.object.relatedObjects[0].metadata.namespace == "kube-system"

# Rules that apply to the ConfigMap, by index in the role.
rules[index] := rule if {
	rule := input.object.relatedObjects[1].rules[index]
	not of_others(rule)
}

of_others(rule) if {
	rbac.names(rule)
	not "coredns" in rule.resourceNames
}

not_evaluated contains rbac.unknown_role
