# Lists of registries and repositories that users write, and the images that they cover.
package kubekeep.lib.registries

import data.kubekeep.lib.image

# Entries of a list in the form that matches complete repository names (`image.repository`).
entries(list) := {name |
	some entry in list
	short := trim_right(trim_suffix(lower(trim_space(entry)), "/*"), "/")
	short != ""
	some name in complete(short)
}

# Docker Hub names may omit the host, and then also `library`.
complete(name) := {image.registry(path)} | wildcard_hub(path) if {
	path := sprintf("%s/", [name])
	image.host_like(path)
	not contains(name, "/")
} else := {sprintf("%s/%s", [image.registry(name), image.below(name)]), image.complete(name)} | wildcard_hub(name) if {
	image.host_like(name)
} else := {sprintf("docker.io/%s", [name]), image.complete(name)}

# Names of Docker Hub that a wildcard in the host stands for.
wildcard_hub(path) := {trim_suffix(sprintf("docker.io/%s", [image.below(path)]), "/") |
	contains(image.host(path), "*")
	image.covers_hub(image.host(path))
}

# True if an entry is the repository or a prefix of it. Entries match whole segments of a name; `*` matches anything
# within a segment.
covers(entries, repository) if {
	repository in entries
} else if {
	some entry in entries
	startswith(repository, entry)
	startswith(repository, sprintf("%s/", [entry]))
} else if {
	some entry in entries
	contains(entry, "*")
	some pattern in [entry, sprintf("%s/**", [entry])]
	glob.match(pattern, ["/"], repository)
}
