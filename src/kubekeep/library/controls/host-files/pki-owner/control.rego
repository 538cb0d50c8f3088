package kubekeep.controls.pki_owner

import data.kubekeep.lib.hostfile

# Some releases of the agent spell the field of the directory with a capital I.
files := array.concat(
	array.concat(hostfile.at(input.object, ["PKIDir"]), hostfile.at(input.object, ["PKIDIr"])),
	hostfile.at(input.object, ["PKIFiles"]),
)

violation contains found if some found in hostfile.foreign(files, {"root"})

declined contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the PKI directory")
}

declined contains reason if some reason in hostfile.unlisted(input.object, "PKIFiles")
