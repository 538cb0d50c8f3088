package kubekeep.controls.eks_endpoint_restricted

import data.kubekeep.lib.description
import data.kubekeep.lib.eks
import data.kubekeep.lib.gke

violation contains finding if {
	eks.described
	some finding in eks.exposed(eks.network("endpointPrivateAccess"))
}

# GKE

violation contains {"path": enabled.path, "message": message} if {
	gke.described
	gke.public
	enabled := description.at(gke.networks, "enabled")
	not description.yes(enabled.value)
	message := "authorized networks are not enabled: the control plane is open to every address"
}

violation contains {"path": range.path, "message": message} if {
	gke.described
	gke.public
	some block in description.entries(description.at(gke.networks, "cidrBlocks"))
	range := description.at(block, "cidrBlock")
	range.value in {"0.0.0.0/0", "::/0"}
	message := sprintf("authorized networks contain %s: the control plane is open to every address", [range.value])
}

not_evaluated contains "the description of the cluster is empty" if not description.described
