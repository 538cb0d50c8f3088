package kubekeep.controls.eks_private_nodes

import data.kubekeep.lib.description
import data.kubekeep.lib.eks
import data.kubekeep.lib.gke

violation contains finding if {
	eks.described
	some finding in eks.exposed(eks.network("endpointPrivateAccess"))
}

# GKE

# Settings that apply to node pools without their own.
default_private if description.yes(gke.field("privateClusterConfig", "enablePrivateNodes").value)

default_private if description.yes(gke.field("networkConfig", "defaultEnablePrivateNodes").value)

stated(pool) := description.at(description.at(pool.entry, "networkConfig"), "enablePrivateNodes")

silent := [pool | some pool in gke.pools; stated(pool).value == null]

violation contains {"path": private.path, "message": "enablePrivateNodes is not true: nodes have public addresses"} if {
	gke.described
	not default_private
	count(silent) == count(gke.pools)
	private := gke.field("privateClusterConfig", "enablePrivateNodes")
}

violation contains {"path": private.path, "message": message} if {
	gke.described
	some pool in gke.pools
	private := stated(pool)
	not private_pool(private.value)
	count(silent) < count(gke.pools)
	message := sprintf("node pool %s: enablePrivateNodes is not true: nodes have public addresses", [pool.name])
}

private_pool(value) if description.yes(value)

private_pool(null) if default_private

not_evaluated contains "the description of the cluster is empty" if not description.described
