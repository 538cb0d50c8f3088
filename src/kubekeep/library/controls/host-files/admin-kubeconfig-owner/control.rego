package kubekeep.controls.admin_kubeconfig_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["adminConfigFile"])

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "admin.conf")
}
