package kubekeep.controls.allowed_registries

import data.kubekeep.lib.image

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("no entry of the allow list covers %s", [repository]),
} if {
	some container in input.workload.containers
	trim_space(container.image) != ""
	repository := image.repository(container.image)
	not allowed(repository)
}

declined contains sprintf("%s names no image", [path]) if some path in image.unnamed

allowed(repository) if {
	some entry in entries
	repository == entry
}

allowed(repository) if {
	some entry in entries
	startswith(repository, sprintf("%s/", [entry]))
}

allowed(repository) if {
	some entry in entries
	contains(entry, "*")
	some pattern in [entry, sprintf("%s/**", [entry])]
	glob.match(pattern, ["/"], repository)
}

# As written where the entry begins with a host; on Docker Hub, where names may leave that out, otherwise.
entries contains name if {
	some entry in data.params.imageRepositoryAllowList
	name := trim_right(trim_suffix(lower(trim_space(entry)), "/*"), "/")
	image.host_like(split(name, "/")[0])
}

entries contains image.complete(name) if {
	some entry in data.params.imageRepositoryAllowList
	name := trim_right(trim_suffix(lower(trim_space(entry)), "/*"), "/")
	name != ""
}

entries contains sprintf("docker.io/%s", [name]) if {
	some entry in data.params.imageRepositoryAllowList
	name := trim_right(trim_suffix(lower(trim_space(entry)), "/*"), "/")
	name != ""
	not image.host_like(split(name, "/")[0])
}
