package kubekeep.controls.forbidden_registries

import data.kubekeep.lib.image
import data.kubekeep.lib.registries
import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("container %v runs an image of a forbidden registry: %s", [workload.called(container), repository]),
} if {
	listed
	some container in input.workload.containers
	image.named(container)
	repository := image.repository(container.image)
	registries.covers(forbidden, repository)
}

declined contains "set publicRegistries or untrustedRegistries in --controls-config" if not listed

declined contains sprintf("%s names no image", [container.path]) if {
	listed
	some container in input.workload.containers
	not image.named(container)
}

listed if count(forbidden) > 0

forbidden := registries.entries(array.concat(input.params.publicRegistries, input.params.untrustedRegistries))
