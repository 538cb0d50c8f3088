package kubekeep.controls.api_server_kubelet_client_certificate

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.required(
		server,
		"kubelet-client-certificate",
		"kubelets cannot authenticate the API server",
	)
}

violation contains finding if {
	some server in servers
	some finding in apiserver.required(
		apiserver.after(server),
		"kubelet-client-key",
		"kubelets cannot authenticate the API server",
	)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
