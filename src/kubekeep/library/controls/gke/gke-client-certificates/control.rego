package kubekeep.controls.gke_client_certificates

import data.kubekeep.lib.description
import data.kubekeep.lib.gke

violation contains {"path": certificate.path, "message": "masterAuth contains a client certificate or its key"} if {
	gke.described
	some name in ["clientCertificate", "clientKey"]
	certificate := gke.field("masterAuth", name)
	not certificate.value in {null, ""}
}

violation contains {"path": issue.path, "message": "issueClientCertificate is true"} if {
	gke.described
	issue := description.at(gke.field("masterAuth", "clientCertificateConfig"), "issueClientCertificate")
	description.yes(issue.value)
}

not_evaluated contains "the description of the cluster is empty" if not description.described
