package kubekeep.controls.aks_private_nodes

import data.kubekeep.lib.description

violation contains {
	"path": private.path,
	"message": "enablePrivateCluster is not true: nodes need internet access",
} if {
	description.described
	access := description.at(description.cluster, "apiServerAccessProfile")
	private := description.at(access, "enablePrivateCluster")
	not description.yes(private.value)
}

violation contains {"path": public.path, "message": message} if {
	some pool in description.entries(description.at(description.cluster, "agentPoolProfiles"))
	public := description.at(pool, "enableNodePublicIP")
	description.yes(public.value)
	message := sprintf("agent pool %v: enableNodePublicIP is true", [description.at(pool, "name").value])
}

not_evaluated contains "the description of the cluster is empty" if not description.described
