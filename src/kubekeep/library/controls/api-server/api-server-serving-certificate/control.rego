package kubekeep.controls.api_server_serving_certificate

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.required(server, "tls-cert-file", "the API server uses a self-signed certificate")
}

violation contains finding if {
	some server in servers
	some finding in apiserver.required(
		apiserver.after(server),
		"tls-private-key-file",
		"the API server uses a self-signed certificate",
	)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
