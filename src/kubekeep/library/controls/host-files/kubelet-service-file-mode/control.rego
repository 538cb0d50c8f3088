package kubekeep.controls.kubelet_service_file_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["serviceFiles"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "the service file of the kubelet")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "serviceFiles")
