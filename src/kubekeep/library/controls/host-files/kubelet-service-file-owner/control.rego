package kubekeep.controls.kubelet_service_file_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["serviceFiles"])

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the service file of the kubelet")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "serviceFiles")
