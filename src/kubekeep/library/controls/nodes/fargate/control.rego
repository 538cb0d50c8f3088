package kubekeep.controls.fargate

import data.kubekeep.lib.node

violation contains {"path": "", "message": "no node of the cluster is one of Fargate"} if {
	not node.fargate(input.object)
	not elsewhere
}

# Without a call for each node: large clusters have thousands of them.
elsewhere if data.cluster.objects.Node[_][_].metadata.labels["eks.amazonaws.com/compute-type"] == "fargate"

elsewhere if startswith(data.cluster.objects.Node[_][_].metadata.name, "fargate-")
