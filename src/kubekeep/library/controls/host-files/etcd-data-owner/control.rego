package kubekeep.controls.etcd_data_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["etcdDataDir"])

violation contains finding if some finding in hostfile.foreign(files, {"etcd", "root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"etcd", "root"}, "the data directory of etcd")
}
