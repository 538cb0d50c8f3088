package kubekeep.controls.image_signature

import data.kubekeep.lib.image
import data.kubekeep.lib.image_data
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("container %v: image %s has no signature", [workload.called(container), container.image]),
} if {
	input.cluster.named["image.kubekeep.io/ContainerImage"]
	some container in input.workload.containers
	some description in image_data.searched(container)
	description.signatures.attached == 0
}

not_evaluated contains image_data.without_signatures(container) if {
	some container in input.workload.containers
	image.named(container)
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}
