package kubekeep.controls.pki_certificate_mode

import data.kubekeep.lib.hostfile

files := hostfile.with_ending(hostfile.at(input.object, ["PKIFiles"]), [".crt"])

violation contains found if some found in hostfile.looser(files, "600")

declined contains reason if {
	some reason in hostfile.unknown_modes(files, "a certificate in /etc/kubernetes/pki")
}

declined contains reason if some reason in hostfile.unlisted(input.object, "PKIFiles")
