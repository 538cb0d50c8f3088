package kubekeep.controls.secret_mounted

import data.kubekeep.lib.mounts
import data.kubekeep.lib.identity

sources := mounts.sources("secret", "secretName")

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts the Secret %s", [mount.container, secret]),
} if {
	some [volume, secret] in sources
	input.cluster.named.Secret[identity.namespace][secret]
	some mount in mounts.volume_mounts(volume)
}

# Mounted objects that the input does not contain. Optional ones may exist in the cluster, too.
not_evaluated contains mounts.missing("Secret", sprintf("%s/%s", [identity.namespace, name])) if {
	some [volume, name] in sources
	not input.cluster.named.Secret[identity.namespace][name]
	count(mounts.volume_mounts(volume)) > 0
}
