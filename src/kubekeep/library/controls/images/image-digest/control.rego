package kubekeep.controls.image_digest

import data.kubekeep.lib.image
import data.kubekeep.lib.pod_images
import data.kubekeep.lib.registries

violation contains {
	"path": used.path,
	"message": sprintf("%s: image %s is not pinned by digest", [used.user, used.reference]),
} if {
	some used in pod_images.used
	not pinned(used.reference)
	not exempt(used.reference)
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

pinned(reference) if {
	contains(reference, "@")
	[algorithm, hash] := split(image.digest(trim_space(reference)), ":")
	regex.match(`^[a-z0-9]+(?:[+._-][a-z0-9]+)*$`, algorithm)
	regex.match(object.get(registered, algorithm, `^[A-Za-z0-9=_-]+$`), hash)
}

# Digest algorithms with a known length (OCI image specification, Digests).
registered := {
	"blake3": `^[0-9a-f]{64}$`,
	"sha256": `^[0-9a-f]{64}$`,
	"sha384": `^[0-9a-f]{96}$`,
	"sha512": `^[0-9a-f]{128}$`,
}

exempt(reference) if {
	count(input.params.imageDigestExemptRepositories) > 0
	registries.covers(exemptions, image.repository(reference))
}

exemptions := registries.entries(input.params.imageDigestExemptRepositories)
