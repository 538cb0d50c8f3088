package kubekeep.controls.claim_mounted

import data.kubekeep.lib.mounts
import data.kubekeep.lib.identity

sources := mounts.sources("persistentVolumeClaim", "claimName")

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts the PersistentVolumeClaim %s", [mount.container, claim]),
} if {
	some [volume, claim] in sources
	input.cluster.named.PersistentVolumeClaim[identity.namespace][claim]
	some mount in mounts.volume_mounts(volume)
}

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts a PersistentVolumeClaim of the template %v", [mount.container, name]),
} if {
	input.object.kind == "StatefulSet"
	name := input.object.spec.volumeClaimTemplates[_].metadata.name
	some mount in mounts.volume_mounts(name)
}

# Mounted claims that the input does not contain.
not_evaluated contains mounts.missing("PersistentVolumeClaim", sprintf("%s/%s", [identity.namespace, name])) if {
	some [volume, name] in sources
	not input.cluster.named.PersistentVolumeClaim[identity.namespace][name]
	count(mounts.volume_mounts(volume)) > 0
}
