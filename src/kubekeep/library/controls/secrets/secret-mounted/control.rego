package kubekeep.controls.secret_mounted

import data.kubekeep.lib.mounts
import data.kubekeep.lib.identity

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts the Secret %s", [mount.container, secret]),
} if {
	some [volume, secret] in mounts.sources("secret", "secretName")
	input.cluster.named.Secret[identity.namespace][secret]
	some mount in mounts.volume_mounts(volume)
}
