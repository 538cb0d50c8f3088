package kubekeep.controls.eks_private_endpoint_only

import data.kubekeep.lib.description

network := description.at(description.cluster, "resourcesVpcConfig")

violation contains {"path": private.path, "message": "the private endpoint is off"} if {
	description.described
	private := description.at(network, "endpointPrivateAccess")
	not description.yes(private.value)
}

violation contains {"path": public.path, "message": "the public endpoint is on"} if {
	description.described
	public := description.at(network, "endpointPublicAccess")
	public.value != false
}

declined contains "the description of the cluster is empty" if not description.described
