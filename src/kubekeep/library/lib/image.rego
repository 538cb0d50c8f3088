# Image references as container runtimes read them (OCI distribution reference grammar, Docker Hub as default).
package kubekeep.lib.image

# The digest that pins the image; undefined without one.
digest(reference) := split(reference, "@")[1]

# The tag as written; undefined without one.
tag(reference) := split(last, ":")[1] if {
	steps := split(name(reference), "/")
	last := steps[count(steps) - 1]
}

# Registry and path without tag and digest, written out: `nginx:1.29` is `docker.io/library/nginx`.
repository(reference) := complete(trim_suffix(name(reference), sprintf(":%s", [tag(reference)])))

repository(reference) := complete(name(reference)) if not tag(reference)

# A name with the registry and the library that it leaves out.
complete(path) := sprintf("docker.io/%s", [short]) if {
	short := on_hub(path)
	contains(short, "/")
}

complete(path) := sprintf("docker.io/library/%s", [short]) if {
	short := on_hub(path)
	not contains(short, "/")
}

complete(path) := path if not on_hub(path)

# Whether the first step of a name is a registry, and not an account of Docker Hub.
host_like(step) if regex.match(`[.:]|^localhost$`, step)

# Paths of the containers whose manifest leaves the image to something else.
unnamed contains container.path if {
	some container in input.workload.containers
	object.get(container, "image", "") in {"", " ", null}
}

name(reference) := split(trim_space(reference), "@")[0]

# The part of a name that comes after Docker Hub, whichever way that is written; undefined elsewhere.
on_hub(path) := path if not hosted(path)

on_hub(path) := trim_prefix(path, sprintf("%s/", [host])) if {
	hosted(path)
	host := split(path, "/")[0]
	host in {"docker.io", "index.docker.io", "registry-1.docker.io"}
}

hosted(path) if {
	contains(path, "/")
	host_like(split(path, "/")[0])
}
