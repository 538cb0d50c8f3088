package kubekeep.controls.container_optimized_os

import data.kubekeep.lib.description
import data.kubekeep.lib.gke
import data.kubekeep.lib.node

image := input.object.status.nodeInfo.osImage

optimized := `bottlerocket|flatcar|talos|container-optimized os|coreos|sle micro|microos`

applies if {
	input.object.kind == "Node"
	not other_kind
}

applies if gke.described

other_kind if {
	node.fargate(input.object)
	not regex.match(optimized, lower(image))
}

other_kind if lower(input.object.status.nodeInfo.operatingSystem) == "windows"

violation contains {"path": "status.nodeInfo.osImage", "message": message} if {
	image != ""
	not regex.match(optimized, lower(image))
	message := sprintf("the node runs %s, which is not made for containers alone", [image])
}

# Names of images such as COS_CONTAINERD and UBUNTU_CONTAINERD (GKE docs, node images).
violation contains {"path": type.path, "message": message} if {
	gke.described
	some pool in gke.pools
	type := description.at(pool.config, "imageType")
	is_string(type.value)
	regex.match(`^UBUNTU`, upper(type.value))
	message := sprintf("nodes of node pool %s run %s", [pool.name, type.value])
}

told if image != ""

told if gke.described

declined contains "the node does not tell its operating system" if not told
