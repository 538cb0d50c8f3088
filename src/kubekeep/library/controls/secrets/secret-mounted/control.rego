package kubekeep.controls.secret_mounted

import data.kubekeep.lib.mounts
import data.kubekeep.lib.place

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts the Secret %s", [mount.container, secret]),
} if {
	some [volume, secret] in mounts.sources("secret", "secretName")
	input.cluster.named.Secret[place.namespace][secret]
	some mount in mounts.places(volume)
}
