package kubekeep.controls.allowed_registries

import data.kubekeep.lib.image
import data.kubekeep.lib.registries

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("no entry of the allow list covers %s", [repository]),
} if {
	some container in input.workload.containers
	image.named(container)
	repository := image.repository(container.image)
	not registries.covers(allowed, repository)
}

declined contains sprintf("%s names no image", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

allowed := registries.entries(input.params.imageRepositoryAllowList)
