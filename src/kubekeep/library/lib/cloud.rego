# What cloud providers tell of a managed cluster, in the spellings of their APIs and client libraries.
package kubekeep.lib.cloud

provider := "eks" if startswith(input.object.apiVersion, "eks.amazonaws.com/")

provider := "gke" if startswith(input.object.apiVersion, "container.googleapis.com/")

provider := "aks" if startswith(input.object.apiVersion, "management.azure.com/")

# The value of the first of `names` that `item` has; null without any.
any_of(item, names) := found[0] if {
	found := [item[name] | some name in names; object.get(item, name, null) != null]
	count(found) > 0
} else := null

eks := any_of(input.object.data, ["Cluster", "cluster"])

# The minor version of Kubernetes that the cluster runs.
minor := number(eks, ["Version", "version"]) if {
	provider == "eks"
} else := number(input.object.data, ["current_master_version", "currentMasterVersion"]) if {
	provider == "gke"
}

number(item, names) := to_number(found[0][1]) if {
	found := regex.find_all_string_submatch_n(`^1\.([0-9]+)`, any_of(item, names), 1)
	count(found) > 0
}
