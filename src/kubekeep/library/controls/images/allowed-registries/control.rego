package kubekeep.controls.allowed_registries

import data.kubekeep.lib.image
import data.kubekeep.lib.pod_images
import data.kubekeep.lib.registries

violation contains {
	"path": used.path,
	"message": sprintf("imageRepositoryAllowList does not contain %s", [repository]),
} if {
	some used in pod_images.used
	repository := image.repository(used.reference)
	not registries.covers(allowed, repository)
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

allowed := registries.entries(input.params.imageRepositoryAllowList)
