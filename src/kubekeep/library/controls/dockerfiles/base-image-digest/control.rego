package kubekeep.controls.base_image_digest

import data.kubekeep.lib.dockerfile
import data.kubekeep.lib.image
import data.kubekeep.lib.registries

violation contains {"path": path, "message": sprintf("image %s is not pinned by digest", [name])} if {
	some path, name in dockerfile.images
	not contains(name, "@")
	not dockerfile.unresolved(name)
	not exempt(name)
}

not_evaluated contains sprintf("the image %s is known only when the image is built", [name]) if {
	some name in dockerfile.images
	dockerfile.unresolved(name)
	not contains(name, "@")
}

exempt(name) if {
	count(input.params.baseImageDigestExemptRepositories) > 0
	registries.covers(exemptions, image.repository(name))
}

exemptions := registries.entries(input.params.baseImageDigestExemptRepositories)
