package kubekeep.controls.image_root_user

import data.kubekeep.lib.container_image
import data.kubekeep.lib.dockerfile
import data.kubekeep.lib.image

violation contains {
	"path": sprintf("stages[%d].user", [dockerfile.final]),
	"message": sprintf("USER is %s, which is root", [stage.user]),
} if {
	root(stage.user)
}

violation contains {
	"path": sprintf("stages[%d].user", [dockerfile.final]),
	"message": "no USER is set, and an image from scratch runs as root",
} if {
	stage.isScratch
	not stage.user
	is_started
}

# An image without a command may only carry files, such as a plugin that another program loads.
not_evaluated contains "the image from scratch has neither CMD nor ENTRYPOINT: it may only carry files" if {
	stage.isScratch
	not stage.user
	not is_started
}

is_started if {
	some step in dockerfile.image_steps
	step.instruction in {"CMD", "ENTRYPOINT"}
}

violation contains {
	"path": sprintf("stages[%d].user", [dockerfile.final]),
	"message": sprintf("no USER is set, and the base image %s runs as root", [stage.image]),
} if {
	not stage.user
	runs_as_root(stage.image)
}

violation contains {"path": "config.User", "message": sprintf("User is %s, which is root", [user])} if {
	user := input.object.config.User
	root(user)
}

violation contains {"path": "config.User", "message": "no User is set, so the image runs as root"} if {
	container_image.described
	is_object(input.object.config)
	object.get(input.object, ["config", "User"], "") == ""
}

not_evaluated contains container_image.without_configuration

not_evaluated contains sprintf("the value of USER is known only when the image is built: %s", [stage.user]) if {
	dockerfile.unresolved(stage.user)
}

not_evaluated contains sprintf("no USER is set, and the user of the base image %s is unknown", [stage.image]) if {
	not stage.user
	not runs_as_root(stage.image)
	not runs_as_user(stage.image)
}

stage := input.object.stages[dockerfile.final]

root(user) if regex.match(`^(?i:root|0+|containeradministrator)(?::.*)?$`, trim_space(user))

# Images whose publishers name those that run as another user.
runs_as_user(name) if regex.match(`(?:^|[:._-])(?:nonroot|non-root|unprivileged|rootless)(?:[._-]|$)`, image.tag(name))

runs_as_user(name) if regex.match(`(?:^|[/_-])(?:nonroot|non-root|unprivileged|rootless)(?:[@:_-]|$)`, name)

# Official images of Docker Hub and images of distributions, which run as root unless a tag says otherwise.
runs_as_root(name) if {
	not dockerfile.unresolved(name)
	not runs_as_user(name)
	image.repository(name) in root_images
}

root_images := {sprintf("docker.io/library/%s", [name]) | some name in dockerfile.official} | {
	"gcr.io/distroless/base",
	"gcr.io/distroless/base-debian12",
	"gcr.io/distroless/cc-debian12",
	"gcr.io/distroless/static",
	"gcr.io/distroless/static-debian12",
	"public.ecr.aws/amazonlinux/amazonlinux",
	"quay.io/centos/centos",
	"quay.io/fedora/fedora",
	"registry.access.redhat.com/ubi8",
	"registry.access.redhat.com/ubi8/ubi",
	"registry.access.redhat.com/ubi8/ubi-minimal",
	"registry.access.redhat.com/ubi9",
	"registry.access.redhat.com/ubi9/ubi",
	"registry.access.redhat.com/ubi9/ubi-minimal",
}
