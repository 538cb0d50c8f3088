# EKS cluster as described by its API (DescribeCluster).
package kubekeep.lib.eks

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description

described if {
	cloud.provider == "eks"
	description.described
}

whole := description.cluster

network(name) := description.at(description.at(whole, "resourcesVpcConfig"), name)

# Problems of endpoint access: from the internet, or no private access for nodes.
exposed(private) := array.concat(without_private(private), open_networks)

without_private(private) := [{"path": private.path, "message": message}] if {
	not description.yes(private.value)
	message := "endpointPrivateAccess is not true: nodes use the public endpoint of the API server"
} else := []

# EKS always returns the networks of a public endpoint: a description without them is incomplete.
open_networks := [{"path": cidr.path, "message": message} |
	network("endpointPublicAccess").value != false
	some cidr in description.entries(network("publicAccessCidrs"))
	cidr.value in {"0.0.0.0/0", "::/0"}
	message := sprintf("publicAccessCidrs contains %s: the public endpoint is open to every address", [cidr.value])
]
