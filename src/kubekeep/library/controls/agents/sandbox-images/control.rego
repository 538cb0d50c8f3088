package kubekeep.controls.sandbox_images

import data.kubekeep.lib.image
import data.kubekeep.lib.registries
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("container %v: image %s has a mutable tag", [workload.called(container), reference]),
} if {
	some container in input.workload.containers
	image.named(container)
	reference := trim_space(container.image)
	not contains(reference, "@")
	tag(reference) in moving
}

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("container %v: imageRepositoryAllowList does not contain %s", [
		workload.called(container),
		repository,
	]),
} if {
	count(allowed) > 0
	some container in input.workload.containers
	image.named(container)
	repository := image.repository(container.image)
	not registries.covers(allowed, repository)
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

not_evaluated contains "the pod template has no containers" if not input.workload.containers[0]

moving := {"latest"} | {name | some name in input.params.floatingImageTags}

allowed := registries.entries(input.params.imageRepositoryAllowList)

# An image without a tag has the tag `latest`.
tag(reference) := image.tag(reference) if {
	image.tag(reference)
} else := "latest"
