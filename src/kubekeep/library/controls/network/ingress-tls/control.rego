package kubekeep.controls.ingress_tls

import data.kubekeep.lib.exposure

violation contains {"path": "spec.tls", "message": "neither spec.tls nor an annotation names a certificate"} if {
	not exposure.tls(input.object)
}
