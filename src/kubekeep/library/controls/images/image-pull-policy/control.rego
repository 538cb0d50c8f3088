package kubekeep.controls.image_pull_policy

import data.kubekeep.lib.image

violation contains {
	"path": sprintf("%s.imagePullPolicy", [container.path]),
	"fix": "Always",
	"message": sprintf("%s may be another image tomorrow", [container.image]),
} if {
	some container in input.workload.containers
	floats(container.image)
	policy(container) != "Always"
}

declined contains sprintf("%s names no image", [path]) if some path in image.unnamed

floats(reference) if {
	not image.digest(reference)
	tag(reference) == "latest"
}

floats(reference) if {
	not image.digest(reference)
	image.tag(reference) in data.params.floatingImageTags
}

# No tag is the tag `latest`.
tag(reference) := image.tag(reference)

tag(reference) := "latest" if not image.tag(reference)

policy(container) := container.imagePullPolicy if written(container)

# What the API server fills in, which knows of `latest` only (Kubernetes docs, image pull policy).
policy(container) := "Always" if {
	not written(container)
	tag(container.image) == "latest"
}

policy(container) := "IfNotPresent" if {
	not written(container)
	tag(container.image) != "latest"
}

written(container) if not object.get(container, "imagePullPolicy", "") in {"", null}
