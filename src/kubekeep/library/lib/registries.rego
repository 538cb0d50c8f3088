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
complete(name) := {name} if {
	image.host_like(sprintf("%s/", [name]))
} else := {sprintf("docker.io/%s", [name]), image.complete(name)}

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
