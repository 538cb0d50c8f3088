package kubekeep.controls.etcd_data_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["etcdDataDir"])

violation contains finding if some finding in hostfile.looser(files, "700")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "the data directory of etcd")
}
