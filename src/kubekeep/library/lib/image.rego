# Image references as container runtimes read them (OCI distribution reference grammar, Docker Hub as default).
package kubekeep.lib.image

import rego.v1

# Digest of the image; undefined without one.
digest(reference) := split(reference, "@")[1]

# The tag as written; undefined without one.
tag(reference) := regex.find_all_string_submatch_n(`:([^/:@]+)(@.*)?$`, reference, 1)[0][1]

# Registry and path without tag and digest, written out: `nginx:1.29` is `docker.io/library/nginx`.
repository(reference) := complete(regex.replace(trim_space(reference), `(:[^/:@]*)?(@.*)?$`, ""))

# Name with the default registry and the default library, in the spelling that all names of the registry share.
complete(path) := on_hub(path) if {
	not host_like(path)
} else := on_hub(below(path)) if {
	registry(path) == "docker.io"
} else := sprintf("%s/%s", [registry(path), below(path)])

# True if the name starts with a registry instead of an account of Docker Hub.
host_like(path) if regex.match(`^([^/]*[.:A-Z][^/]*|localhost)/`, path)

# Registry of a name that starts with one: lower case, without the port of HTTPS, `docker.io` for each host of Docker Hub.
registry(path) := "docker.io" if {
	host(path) in hub_hosts
} else := host(path)

host(path) := regex.replace(lower(substring(path, 0, indexof(path, "/"))), `:0*443$`, "")

# The name without its registry.
below(path) := substring(path, indexof(path, "/") + 1, -1)

hub_hosts := {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}

# True if a host with wildcards stands for a host of Docker Hub.
covers_hub(pattern) if {
	some name in hub_hosts
	glob.match(pattern, ["/"], name)
}

on_hub(name) := sprintf("docker.io/%s", [name]) if {
	contains(name, "/")
} else := sprintf("docker.io/library/%s", [name])

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
