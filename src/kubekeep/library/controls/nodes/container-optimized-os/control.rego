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

applies if input.object.kind == "ClusterDescribe"

other_kind if {
	node.fargate(input.object)
	not regex.match(optimized, lower(image))
}

other_kind if lower(input.object.status.nodeInfo.operatingSystem) == "windows"

violation contains {"path": "status.nodeInfo.osImage", "message": message} if {
	image != ""
	not regex.match(optimized, lower(image))
	message := sprintf("osImage is %s, which is not a container-optimized operating system", [image])
}

# Images of node pools, such as COS_CONTAINERD and UBUNTU_CONTAINERD (GKE docs, node images).
images := [{"pool": pool.name, "path": type.path, "name": type.value} |
	gke.described
	some pool in gke.pools
	type := description.at(pool.config, "imageType")
	is_string(type.value)
]

violation contains {"path": image_type.path, "message": message} if {
	some image_type in images
	startswith(upper(image_type.name), "UBUNTU")
	message := sprintf("node pool %s: imageType is %s, which is not container-optimized", [
		image_type.pool,
		image_type.name,
	])
}

has_system if image != ""

has_system if input.object.kind != "Node"

not_evaluated contains "the operating system of the node is not in the input" if not has_system

not_evaluated contains "the description of the cluster contains no image type of its nodes" if {
	input.object.kind == "ClusterDescribe"
	count(images) == 0
}
