package kubekeep.controls.etcd_data_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["etcdDataDir"])

violation contains found if some found in hostfile.looser(files, "700")

declined contains reason if {
	some reason in hostfile.unknown_modes(files, "the data directory of etcd")
}
