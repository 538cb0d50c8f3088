package kubekeep.controls.image_tag

import data.kubekeep.lib.image
import data.kubekeep.lib.pod_images

violation contains {"path": used.path, "message": message} if {
	some used in pod_images.used
	not contains(used.reference, "@")
	message := problem(used)
}

problem(used) := sprintf("%s: image %v has the tag latest", [used.user, used.reference]) if {
	image.tag(trim_space(used.reference)) == "latest"
} else := sprintf("%s: image %v has no tag", [used.user, used.reference]) if {
	not image.tag(trim_space(used.reference))
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}
