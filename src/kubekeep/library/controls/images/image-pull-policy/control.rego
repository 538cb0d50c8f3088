package kubekeep.controls.image_pull_policy

import data.kubekeep.lib.image

# The policy first: it is seldom wrong, and the image costs more to read.
violation contains {
	"path": sprintf("%s.imagePullPolicy", [container.path]),
	"fix": "Always",
	"message": sprintf("%s may be another image tomorrow", [container.image]),
} if {
	some container in input.workload.containers
	written(container)
	container.imagePullPolicy != "Always"
	not contains(container.image, "@")
	tag(container.image) in moving
}

# What the API server fills in is Always for `latest` only (Kubernetes docs, image pull policy).
violation contains {
	"path": sprintf("%s.imagePullPolicy", [container.path]),
	"fix": "Always",
	"message": sprintf("%s may be another image tomorrow", [container.image]),
} if {
	count(input.params.floatingImageTags) > 0
	some container in input.workload.containers
	not written(container)
	not contains(container.image, "@")
	found := tag(container.image)
	found != "latest"
	found in moving
}

declined contains sprintf("%s names no image", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

moving := {"latest"} | {name | some name in input.params.floatingImageTags}

# No tag is the tag `latest`.
tag(reference) := image.tag(reference) if {
	image.tag(reference)
} else := "latest"

written(container) if not object.get(container, "imagePullPolicy", "") in {"", null}
