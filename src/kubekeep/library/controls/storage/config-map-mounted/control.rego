package kubekeep.controls.config_map_mounted

import data.kubekeep.lib.mounts
import data.kubekeep.lib.identity

sources := mounts.sources("configMap", "name")

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts the ConfigMap %s", [mount.container, name]),
} if {
	some [volume, name] in sources
	name != "kube-root-ca.crt"
	input.cluster.named.ConfigMap[identity.namespace][name]
	some mount in mounts.volume_mounts(volume)
}

# Mounted objects that the input does not contain. Optional ones may exist in the cluster, too.
not_evaluated contains mounts.missing("ConfigMap", sprintf("%s/%s", [identity.namespace, name])) if {
	some [volume, name] in sources
	name != "kube-root-ca.crt"
	not input.cluster.named.ConfigMap[identity.namespace][name]
	count(mounts.volume_mounts(volume)) > 0
}
