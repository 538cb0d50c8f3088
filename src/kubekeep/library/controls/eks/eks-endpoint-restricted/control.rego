package kubekeep.controls.eks_endpoint_restricted

import data.kubekeep.lib.description

network := description.at(description.cluster, "resourcesVpcConfig")

violation contains {"path": private.path, "message": message} if {
	description.described
	private := description.at(network, "endpointPrivateAccess")
	not description.yes(private.value)
	message := "the private endpoint is off: nodes reach the API server by its public address"
}

# EKS always tells the networks of a public endpoint, so that a description without them says nothing of them.
violation contains {"path": cidr.path, "message": message} if {
	description.at(network, "endpointPublicAccess").value != false
	some cidr in description.items(description.at(network, "publicAccessCidrs"))
	cidr.value in {"0.0.0.0/0", "::/0"}
	message := sprintf("the public endpoint is open to %s", [cidr.value])
}

declined contains "the description of the cluster is empty" if not description.described
