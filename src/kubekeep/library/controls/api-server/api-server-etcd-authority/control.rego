package kubekeep.controls.api_server_etcd_authority

import data.kubekeep.lib.apiserver

servers := [server |
	some server in apiserver.servers(input.object)
	not apiserver.by_socket(server)
]

applies if count(servers) > 0

violation contains found if {
	some server in servers
	some found in apiserver.required(server, "etcd-cafile", "the certificate of etcd is not verified")
}
