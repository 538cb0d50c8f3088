package kubekeep.controls.fargate

import data.kubekeep.lib.node

violation contains {"path": "", "message": "no node of the cluster is one of Fargate"} if {
	not node.fargate(input.object)
	not elsewhere
}

# Large clusters have thousands of nodes, so they are not asked one by one.
elsewhere if input.cluster.nodes.labels["eks.amazonaws.com/compute-type=fargate"]

elsewhere if input.cluster.nodes.prefixes.fargate
