# Nodes, as the cluster knows them.
package kubekeep.lib.node

# Whether AWS runs the node, for one Pod alone (EKS docs, Fargate).
fargate(node) if {
	node.metadata.labels["eks.amazonaws.com/compute-type"] == "fargate"
} else if startswith(node.metadata.name, "fargate-")
