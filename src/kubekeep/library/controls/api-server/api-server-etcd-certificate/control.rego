package kubekeep.controls.api_server_etcd_certificate

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

remote := [server |
	some server in servers
	not apiserver.by_socket(server)
]

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in remote
	some finding in apiserver.required(server, "etcd-certfile", "etcd cannot authenticate the API server")
}

violation contains finding if {
	some server in remote
	some finding in apiserver.required(
		apiserver.after(server),
		"etcd-keyfile",
		"etcd cannot authenticate the API server",
	)
}

not_evaluated contains "the API server connects to its storage through a Unix socket, without certificates" if {
	some server in servers
	apiserver.by_socket(server)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
