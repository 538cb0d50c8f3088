package kubekeep.controls.aks_network_policy

import data.kubekeep.lib.description

profile := description.at(description.cluster, "networkProfile")

violation contains {"path": policy.path, "message": message} if {
	description.described
	policy := description.at(profile, "networkPolicy")
	not engine(policy.value)
	not own_plugin
	message := sprintf("networkPolicy is %s: network policies are not enforced", [shown(policy.value)])
}

engine(name) if {
	is_string(name)
	lower(name) in {"azure", "calico", "cilium"}
}

# With `none`, the user installs a network plugin, which may enforce policies without being visible in the Azure API.
own_plugin if {
	plugin := description.at(profile, "networkPlugin").value
	is_string(plugin)
	lower(plugin) == "none"
}

shown(name) := "not set" if {
	name in {null, ""}
} else := sprintf("%v", [name])

not_evaluated contains "networkPlugin is none: the description does not contain the installed network plugin" if {
	own_plugin
	not engine(description.at(profile, "networkPolicy").value)
}

not_evaluated contains "the description of the cluster is empty" if not description.described
