package kubekeep.controls.api_server_client_authority

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.required(server, "client-ca-file", "client certificates are not accepted")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
