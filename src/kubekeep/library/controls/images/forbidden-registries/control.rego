package kubekeep.controls.forbidden_registries

import data.kubekeep.lib.image
import data.kubekeep.lib.pod_images
import data.kubekeep.lib.registries

violation contains {
	"path": used.path,
	"message": sprintf("%s: image %s is from a forbidden registry", [used.user, repository]),
} if {
	listed
	some used in pod_images.used
	repository := image.repository(used.reference)
	registries.covers(forbidden, repository)
}

not_evaluated contains "publicRegistries and untrustedRegistries are empty: set one of them in --controls-config" if {
	not listed
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	listed
	some container in input.workload.containers
	not image.named(container)
}

listed if count(forbidden) > 0

forbidden := registries.entries(array.concat(input.params.publicRegistries, input.params.untrustedRegistries))
