package kubekeep.controls.kubelet_config_file_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["configFile"])

# Without the flag the kubelet reads no file: its flags and their defaults hold.
applies if count(files) > 0

applies if hostfile.flag(input.object, "config") != ""

applies if not hostfile.line(input.object)

violation contains found if some found in hostfile.foreign(files, {"root"})

declined contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the kubelet's configuration file")
}
