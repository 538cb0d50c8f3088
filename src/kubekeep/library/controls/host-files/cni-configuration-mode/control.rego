package kubekeep.controls.cni_configuration_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["CNIConfigFiles"])

violation contains found if some found in hostfile.looser(files, "600")

declined contains reason if {
	some reason in hostfile.unknown_modes(files, "a CNI configuration file")
}

declined contains reason if some reason in hostfile.unlisted(input.object, "CNIConfigFiles")
