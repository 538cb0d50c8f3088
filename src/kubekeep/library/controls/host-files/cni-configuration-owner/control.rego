package kubekeep.controls.cni_configuration_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["CNIConfigFiles"])

violation contains found if some found in hostfile.foreign(files, {"root"})

declined contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "a CNI configuration file")
}

declined contains reason if some reason in hostfile.unlisted(input.object, "CNIConfigFiles")
