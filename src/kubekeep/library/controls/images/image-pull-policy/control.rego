package kubekeep.controls.image_pull_policy

import data.kubekeep.lib.image
import data.kubekeep.lib.workload

# Both values cause the violation: a tag that may move, and a policy that does not pull the new image.
violation contains {"path": sprintf("%s.image", [container.path]), "message": message(container)} if {
	some container in stale
}

violation contains {
	"path": sprintf("%s.imagePullPolicy", [container.path]),
	"fix": "Always",
	"message": message(container),
} if {
	some container in stale
}

message(container) := sprintf("container %v: imagePullPolicy is %s, and image %s has a mutable tag", [
	workload.called(container),
	policy,
	container.image,
]) if {
	policy := object.get(container, "imagePullPolicy", "not set")
}

# The policy first: it is seldom wrong, and parsing the image is slower.
stale contains container if {
	some container in input.workload.containers
	written(container)
	container.imagePullPolicy != "Always"
	not contains(container.image, "@")
	tag(container.image) in moving
}

# The API server defaults to Always only for `latest` (Kubernetes docs, image pull policy).
stale contains container if {
	count(input.params.floatingImageTags) > 0
	some container in input.workload.containers
	not written(container)
	not contains(container.image, "@")
	image_tag := tag(container.image)
	image_tag != "latest"
	image_tag in moving
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

moving := {"latest"} | {name | some name in input.params.floatingImageTags}

# An image without a tag has the tag `latest`.
tag(reference) := image.tag(reference) if {
	image.tag(reference)
} else := "latest"

written(container) if not object.get(container, "imagePullPolicy", "") in {"", null}
