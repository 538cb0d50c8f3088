package kubekeep.controls.allowed_registries

import data.kubekeep.lib.image
import data.kubekeep.lib.registries

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("imageRepositoryAllowList does not contain %s", [repository]),
} if {
	some container in input.workload.containers
	image.named(container)
	repository := image.repository(container.image)
	not registries.covers(allowed, repository)
}

declined contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

allowed := registries.entries(input.params.imageRepositoryAllowList)
