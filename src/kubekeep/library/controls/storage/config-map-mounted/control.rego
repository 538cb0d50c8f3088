package kubekeep.controls.config_map_mounted

import data.kubekeep.lib.mounts
import data.kubekeep.lib.identity

violation contains {
	"path": mount.path,
	"delete": true,
	"message": sprintf("container %v mounts the ConfigMap %s", [mount.container, name]),
} if {
	some [volume, name] in mounts.sources("configMap", "name")
	name != "kube-root-ca.crt"
	input.cluster.named.ConfigMap[identity.namespace][name]
	some mount in mounts.volume_mounts(volume)
}
