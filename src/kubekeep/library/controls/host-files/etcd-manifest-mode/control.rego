package kubekeep.controls.etcd_manifest_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["etcdConfigFile"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "the manifest of etcd")
}
