package kubekeep.controls.image_secret_files

import data.kubekeep.lib.container_image

violation contains {
	"path": sprintf("secrets[%d]", [number]),
	"message": sprintf("%s%s: %s%s", [entry.path, line(entry), entry.kind, container_image.origin(entry)]),
} if {
	some number, entry in input.object.secrets
	not allowed(entry.path)
}

line(entry) := sprintf(":%d", [entry.line]) if {
	entry.line > 0
} else := ""

allowed(path) if {
	some pattern in input.params.secretPathsAllowed
	glob.match(pattern, ["/"], path)
}
