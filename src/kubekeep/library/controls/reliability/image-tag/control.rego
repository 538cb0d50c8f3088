package kubekeep.controls.image_tag

import data.kubekeep.lib.image
import data.kubekeep.lib.workload

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in input.workload.containers
	image.named(container)
	not contains(container.image, "@")
	message := problem(container)
}

problem(container) := sprintf("container %v: image %v has the tag latest", [
	workload.called(container),
	container.image,
]) if {
	image.tag(trim_space(container.image)) == "latest"
} else := sprintf("container %v: image %v has no tag", [workload.called(container), container.image]) if {
	not image.tag(trim_space(container.image))
}

declined contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}
