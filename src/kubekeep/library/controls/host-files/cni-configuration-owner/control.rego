package kubekeep.controls.cni_configuration_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["CNIConfigFiles"])

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "a CNI configuration file")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "CNIConfigFiles")
