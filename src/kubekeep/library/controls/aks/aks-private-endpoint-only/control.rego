package kubekeep.controls.aks_private_endpoint_only

import data.kubekeep.lib.description

# `publicNetworkAccess` is ignored: it has no effect on a private cluster, where it stays Enabled.
violation contains {
	"path": private.path,
	"message": "enablePrivateCluster is not true: the API server has a public endpoint",
} if {
	description.described
	access := description.at(description.cluster, "apiServerAccessProfile")
	private := description.at(access, "enablePrivateCluster")
	not description.yes(private.value)
}

not_evaluated contains "the description of the cluster is empty" if not description.described
