package kubekeep.controls.etcd_data_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["etcdDataDir"])

violation contains found if some found in hostfile.foreign(files, {"etcd", "root"})

declined contains reason if {
	some reason in hostfile.unknown_owners(files, {"etcd", "root"}, "the data directory of etcd")
}
