package kubekeep.controls.pki_owner

import data.kubekeep.lib.hostfile

# Some releases of the agent spell the field of the directory with a capital I.
files := array.concat(
	array.concat(hostfile.at(input.object, ["PKIDir"]), hostfile.at(input.object, ["PKIDIr"])),
	hostfile.at(input.object, ["PKIFiles"]),
)

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the PKI directory")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "PKIFiles")
