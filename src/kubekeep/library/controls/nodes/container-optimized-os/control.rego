package kubekeep.controls.container_optimized_os

import data.kubekeep.lib.node

image := input.object.status.nodeInfo.osImage

optimized := `bottlerocket|flatcar|talos|container-optimized os|coreos|sle micro|microos`

applies if {
	not other_kind
}

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

declined contains "the node does not tell its operating system" if not image

declined contains "the node does not tell its operating system" if image == ""
