# Image references as container runtimes read them (OCI distribution reference grammar, Docker Hub as default).
package kubekeep.lib.image

import rego.v1

# Digest of the image; undefined without one.
digest(reference) := split(reference, "@")[1]

# The tag as written; undefined without one.
tag(reference) := regex.find_all_string_submatch_n(`:([^/:@]+)(@.*)?$`, reference, 1)[0][1]

# Registry and path without tag and digest, written out: `nginx:1.29` is `docker.io/library/nginx`.
repository(reference) := complete(regex.replace(trim_space(reference), `(:[^/:@]*)?(@.*)?$`, ""))

# Name with the default registry and the default library.
complete(path) := path if {
	host_like(path)
	not startswith(path, "docker.io/")
	not startswith(path, "index.docker.io/")
} else := sprintf("docker.io/%s", [short]) if {
	short := on_hub(path)
	contains(short, "/")
} else := sprintf("docker.io/library/%s", [on_hub(path)])

# True if the name starts with a registry instead of an account of Docker Hub.
host_like(path) if regex.match(`^([^/]*[.:][^/]*|localhost)/`, path)

on_hub(path) := trim_prefix(trim_prefix(path, "index."), "docker.io/")

# True if the container sets an image.
named(container) if trim_space(container.image) != ""

# The release that the tag names, as three numbers; undefined for tags such as `latest` or `1.2`.
release(reference) := [to_number(part) | some part in array.slice(match, 1, 4)] if {
	number := `(0|[1-9][0-9]*)`
	pattern := sprintf(`^v?%s\.%s\.%s([-_+.]|$)`, [number, number, number])
	match := regex.find_all_string_submatch_n(pattern, tag(reference), 1)[0]
}

# True if the last part of the image's name is one of `names`, in any registry.
called(reference, names) if {
	parts := split(repository(reference), "/")
	parts[count(parts) - 1] in names
}

# A reference with a digest only has no release number.
anonymous(reference) if {
	digest(reference)
	not contains(regex.replace(reference, `^.*/|@.*`, ""), ":")
}
