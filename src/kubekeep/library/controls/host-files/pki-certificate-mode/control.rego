package kubekeep.controls.pki_certificate_mode

import data.kubekeep.lib.hostfile

files := hostfile.with_ending(hostfile.at(input.object, ["PKIFiles"]), [".crt"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "a certificate in /etc/kubernetes/pki")
}

not_evaluated contains reason if some reason in hostfile.unlisted(input.object, "PKIFiles")
