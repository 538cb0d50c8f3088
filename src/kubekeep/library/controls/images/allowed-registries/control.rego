package kubekeep.controls.allowed_registries

import data.kubekeep.lib.image

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("no entry of the allow list covers %s", [repository]),
} if {
	some container in input.workload.containers
	image.named(container)
	repository := image.repository(container.image)
	not allowed(repository)
}

declined contains sprintf("%s names no image", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

allowed(repository) if entries[repository]

allowed(repository) if {
	some entry in entries
	startswith(repository, sprintf("%s/", [entry]))
}

allowed(repository) if {
	some pattern in patterns
	glob.match(pattern, ["/"], repository)
}

patterns contains pattern if {
	some entry in entries
	contains(entry, "*")
	some pattern in [entry, sprintf("%s/**", [entry])]
}

entries contains name if {
	some name in written
	image.host_like(sprintf("%s/", [name]))
}

# On Docker Hub names may leave out the host, and then the library too.
entries contains name if {
	some entry in written
	not image.host_like(sprintf("%s/", [entry]))
	some name in [sprintf("docker.io/%s", [entry]), image.complete(entry)]
}

written contains name if {
	some entry in data.params.imageRepositoryAllowList
	name := trim_right(trim_suffix(lower(trim_space(entry)), "/*"), "/")
	name != ""
}
