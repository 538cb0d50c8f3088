# GKE cluster as described by its API (Kubernetes Engine API, projects.locations.clusters), which omits false
# values.
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

# Google manages the nodes, so that some of their settings are fixed.
autopilot if description.yes(field("autopilot", "enabled").value)

# Node pools with `entry`, `name` and `config`; a description without a list of pools may still contain the
# configuration of the initial nodes.
pools := [{"entry": entry, "name": name, "config": config} |
	some entry in description.entries(cluster("nodePools"))
	name := called(description.at(entry, "name").value)
	config := description.at(entry, "config")
] if {
	count(description.entries(cluster("nodePools"))) > 0
} else := [{"entry": whole, "name": "of the initial nodes", "config": config}] if {
	config := cluster("nodeConfig")
	is_object(config.value)
} else := []

called(name) := name if {
	is_string(name)
} else := "without a name"

# Addresses of the control plane: `controlPlaneEndpointsConfig` replaces `privateClusterConfig` and
# `masterAuthorizedNetworksConfig`; a cluster may have both.
addresses := description.at(cluster("controlPlaneEndpointsConfig"), "ipEndpointsConfig")

# Setting that makes the control plane public; undefined if it is not.
public := setting if {
	setting := description.at(addresses, "enablePublicEndpoint")
	is_boolean(setting.value)
	setting.value
	not without_addresses
} else := setting if {
	setting := field("privateClusterConfig", "enablePrivateEndpoint")
	not description.at(addresses, "enablePublicEndpoint").value == false
	not description.yes(setting.value)
	not without_addresses
}

# The control plane is reachable only by its DNS name, with access controlled by IAM.
without_addresses if description.at(addresses, "enabled").value == false

# Networks that may access the control plane.
networks := setting if {
	setting := description.at(addresses, "authorizedNetworksConfig")
	is_object(setting.value)
} else := cluster("masterAuthorizedNetworksConfig")
