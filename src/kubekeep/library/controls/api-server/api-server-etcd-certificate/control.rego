package kubekeep.controls.api_server_etcd_certificate

import data.kubekeep.lib.apiserver

servers := [server |
	some server in apiserver.servers(input.object)
	not apiserver.by_socket(server)
]

applies if count(servers) > 0

violation contains found if {
	some server in servers
	some found in apiserver.required(server, "etcd-certfile", "etcd cannot tell who asks")
}

violation contains found if {
	some server in servers
	some found in apiserver.required(apiserver.after(server), "etcd-keyfile", "etcd cannot tell who asks")
}
