package kubekeep.controls.pki_key_mode

import data.kubekeep.lib.hostfile

files := hostfile.with_ending(hostfile.at(input.object, ["PKIFiles"]), [".key"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "a private key in /etc/kubernetes/pki")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "PKIFiles")
