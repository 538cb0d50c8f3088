# A cluster of GKE as its API describes it (Kubernetes Engine API, projects.locations.clusters). What is false, the API
# leaves out.
package kubekeep.lib.gke

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description

described if {
	cloud.provider == "gke"
	description.described
}

whole := description.cluster

cluster(name) := description.at(whole, name)

field(name, inner) := description.at(cluster(name), inner)

# Google looks after the nodes, which makes some settings of them fixed.
autopilot if description.yes(field("autopilot", "enabled").value)

# The node pools, each with its `place`, `name` and `config`; a description that lists none may still tell of the
# nodes that the cluster began with.
pools := [{"place": place, "name": name, "config": config} |
	some place in description.items(cluster("nodePools"))
	name := called(description.at(place, "name").value)
	config := description.at(place, "config")
] if {
	count(description.items(cluster("nodePools"))) > 0
} else := [{"place": whole, "name": "of the first nodes", "config": config}] if {
	config := cluster("nodeConfig")
	is_object(config.value)
} else := []

called(name) := name if {
	is_string(name)
} else := "without a name"

# The control plane's addresses: `controlPlaneEndpointsConfig` says what `privateClusterConfig` and
# `masterAuthorizedNetworksConfig` said before, and clusters may have both.
addresses := description.at(cluster("controlPlaneEndpointsConfig"), "ipEndpointsConfig")

# Where it says that the control plane has a public address; undefined if it has none.
public := place if {
	place := description.at(addresses, "enablePublicEndpoint")
	is_boolean(place.value)
	place.value
	not without_addresses
} else := place if {
	place := field("privateClusterConfig", "enablePrivateEndpoint")
	not description.at(addresses, "enablePublicEndpoint").value == false
	not description.yes(place.value)
	not without_addresses
}

# It is reached by its DNS name alone, where IAM decides.
without_addresses if description.at(addresses, "enabled").value == false

# The networks that may reach the control plane.
networks := place if {
	place := description.at(addresses, "authorizedNetworksConfig")
	is_object(place.value)
} else := cluster("masterAuthorizedNetworksConfig")
