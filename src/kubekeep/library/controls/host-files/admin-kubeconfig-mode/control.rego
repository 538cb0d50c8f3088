package kubekeep.controls.admin_kubeconfig_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["adminConfigFile"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "admin.conf")
}
