package kubekeep.controls.ingress_tls

import data.kubekeep.lib.exposure

violation contains {"path": "spec.tls", "message": "spec.tls is not set, and no annotation configures TLS"} if {
	not exposure.tls(input.object)
}
