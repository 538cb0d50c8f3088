package kubekeep.controls.kubelet_client_authority_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["clientCAFile"])

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the client CA file of the kubelet")
}
