package kubekeep.controls.admin_kubeconfig_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["adminConfigFile"])

violation contains found if some found in hostfile.looser(files, "600")

declined contains reason if {
	some reason in hostfile.unknown_modes(files, "admin.conf")
}
