package kubekeep.controls.base_image_tag

import data.kubekeep.lib.dockerfile
import data.kubekeep.lib.image

violation contains {"path": path, "message": problem(name)} if {
	some path, name in dockerfile.images
	not contains(name, "@")
	not dockerfile.unresolved(name)
}

problem(name) := sprintf("image %s has the tag latest", [name]) if {
	image.tag(name) == "latest"
} else := sprintf("image %s has no tag", [name]) if {
	not image.tag(name)
}

not_evaluated contains sprintf("the image %s is known only when the image is built", [name]) if {
	some name in dockerfile.images
	dockerfile.unresolved(name)
	not contains(name, "@")
}
