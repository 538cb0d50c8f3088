package kubekeep.controls.fargate

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.gke
import data.kubekeep.lib.node

violation contains {"path": "", "message": message} if {
	input.object.kind == "Node"
	not apart(input.object)
	not elsewhere
	message := "the cluster has no node of AWS Fargate or GKE Sandbox"
}

apart(node_object) if node.fargate(node_object)

apart(node_object) if node_object.metadata.labels["sandbox.gke.io/runtime"] == "gvisor"

# Autopilot creates sandboxed nodes on demand.
apart(node_object) if startswith(node_object.metadata.name, "gk3-")

# Large clusters have thousands of nodes: this avoids a loop over all of them.
elsewhere if input.cluster.nodes.labels["eks.amazonaws.com/compute-type=fargate"]

elsewhere if input.cluster.nodes.labels["sandbox.gke.io/runtime=gvisor"]

elsewhere if input.cluster.nodes.prefixes.fargate

violation contains {"path": pools.path, "message": "the cluster has no node pool with GKE Sandbox"} if {
	gke.described
	not gke.autopilot
	pools := gke.cluster("nodePools")
	count([pool | some pool in gke.pools; sandboxed(pool)]) == 0
}

sandboxed(pool) if {
	sandbox := description.at(pool.config, "sandboxConfig")
	some name in ["type", "sandboxType"]
	lower(sprintf("%v", [description.at(sandbox, name).value])) in {"gvisor", "1"}
}

not_evaluated contains "the description of the cluster is empty" if {
	cloud.provider
	not description.described
}
