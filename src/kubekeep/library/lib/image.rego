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

# Registry of a name that starts with one: lower case, without the port of HTTPS and zeros before a port, with all groups of
# an IPv6 address, and `docker.io` for each host of Docker Hub.
registry(path) := "docker.io" if {
	host(path) in hub_hosts
} else := host(path)

host(path) := sprintf("[%s]%s", [expand(parts[1]), without_https(parts[2])]) if {
	parts := regex.find_all_string_submatch_n(`^\[([0-9a-f:]+)\](:[0-9]+)?/`, lower(path), 1)[0]
} else := without_https(lower(substring(path, 0, indexof(path, "/"))))

without_https(name) := trim_suffix(regex.replace(name, `:0+([0-9])`, ":$1"), ":443")

# The eight groups of an IPv6 address.
expand(address) := concat(":", array.concat(array.concat(left, zeros), right)) if {
	sides := split(sprintf("%s::", [address]), "::")
	left := groups(sides[0])
	right := groups(sides[1])
	zeros := array.slice(["0", "0", "0", "0", "0", "0", "0", "0"], 0, 8 - (count(left) + count(right)))
}

groups(text) := [regex.replace(group, `^0+(.)`, "$1") | some group in split(text, ":"); group != ""]

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
