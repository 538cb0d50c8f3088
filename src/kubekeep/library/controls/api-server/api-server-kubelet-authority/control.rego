package kubekeep.controls.api_server_kubelet_authority

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.required(
		server,
		"kubelet-certificate-authority",
		"the certificates of kubelets are not verified",
	)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
