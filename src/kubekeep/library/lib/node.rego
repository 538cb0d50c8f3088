# Node objects of the cluster.
package kubekeep.lib.node

# True if the node is an AWS Fargate node, which runs one pod (EKS docs, Fargate).
fargate(node) if {
	node.metadata.labels["eks.amazonaws.com/compute-type"] == "fargate"
} else if startswith(node.metadata.name, "fargate-")
