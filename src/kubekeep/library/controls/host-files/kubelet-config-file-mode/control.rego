package kubekeep.controls.kubelet_config_file_mode

import data.kubekeep.lib.configfiles
import data.kubekeep.lib.hostfile

applies if configfiles.expected

violation contains finding if some finding in hostfile.looser(configfiles.files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(configfiles.files, "the configuration file of the kubelet")
}

not_evaluated contains reason if some reason in configfiles.unlisted
