package kubekeep.controls.ingress_tls

import data.kubekeep.lib.exposure

violation contains {"path": "spec.tls", "message": "spec.tls is not set, and no annotation configures TLS"} if {
	not exposure.tls(input.object)
}

violation contains {"path": sprintf("spec.rules[%d].host", [index]), "message": message} if {
	some index in exposure.uncovered(input.object)
	message := sprintf("no entry of spec.tls covers the host %v", [input.object.spec.rules[index].host])
}
