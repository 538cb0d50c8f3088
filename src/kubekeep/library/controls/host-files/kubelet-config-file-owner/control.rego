package kubekeep.controls.kubelet_config_file_owner

import data.kubekeep.lib.configfiles
import data.kubekeep.lib.hostfile

applies if configfiles.expected

violation contains finding if some finding in hostfile.foreign(configfiles.files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(configfiles.files, {"root"}, "the configuration file of the kubelet")
}

not_evaluated contains reason if some reason in configfiles.unlisted
