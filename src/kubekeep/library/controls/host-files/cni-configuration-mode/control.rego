package kubekeep.controls.cni_configuration_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["CNIConfigFiles"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "a CNI configuration file")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "CNIConfigFiles")
