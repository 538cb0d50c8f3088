package kubekeep.controls.kubelet_client_authority_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["clientCAFile"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "the client CA file of the kubelet")
}
