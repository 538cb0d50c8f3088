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
	not is_built(trim_space(used.reference))
}

not_evaluated contains sprintf("%s: skaffold builds the image %v and sets its tag", [used.user, used.reference]) if {
	some used in pod_images.used
	not contains(used.reference, "@")
	not image.tag(trim_space(used.reference))
	is_built(trim_space(used.reference))
}

# Skaffold replaces the names of the images that it builds in manifests (Skaffold docs, Build).
is_built(reference) if {
	config := input.cluster.objects.Config[_][_]
	some part in [[config], object.get(config, "profiles", [])]
	part[_].build.artifacts[_].image == reference
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}
