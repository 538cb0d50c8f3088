package kubekeep.controls.cni_network_policies

import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

names := [name |
	name := input.object[section].CNINames[_]
	is_string(name)
	trim_space(name) != ""
]

# Normalises spellings by people and by the agent: `WeaveNet`, `weave-net`, `kube-router`.
plain(name) := regex.replace(lower(name), `[^a-z]`, "")

# Plugins that enforce policies in every installation (Kubernetes docs, addons).
enforcing := [
	"antrea", "calico", "canal", "cilium", "contiv", "kuberouter", "nuage", "ovn", "romana", "trireme", "weave",
]

# Plugins that do not enforce policies, or only with additional components or settings, which the name does not show.
silent := {"aws", "awscni", "awsvpccni", "amazonvpccni", "vpccni", "bridge", "flannel", "kubenet", "ptp"}

# Plugins that only delegate to others.
meta := {"multus", "genie", "danm"}

enforced if {
	some name in names
	some word in enforcing
	contains(plain(name), word)
}

violation contains {"path": sprintf("%s.CNINames", [section]), "message": message} if {
	count(names) > 0
	not enforced
	count(unknown) == 0
	message := sprintf("none of the network plugins is known to enforce network policies: %s", [
		concat(", ", names),
	])
}

unknown := [name |
	some name in names
	not plain(name) in silent
]

not_evaluated contains "the network plugins of the node were not collected" if count(names) == 0

not_evaluated contains reason if {
	not enforced
	some name in unknown
	reason := sprintf("it is unknown if the network plugin %s enforces network policies", [name])
}
