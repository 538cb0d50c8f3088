package kubekeep.controls.api_server_kubelet_authority

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.required(
		server,
		"kubelet-certificate-authority",
		"the certificates of kubelets are not verified",
	)
}

declined contains reason if some reason in apiserver.unread_line(input.object)
