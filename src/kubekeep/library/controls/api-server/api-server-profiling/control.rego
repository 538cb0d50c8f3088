package kubekeep.controls.api_server_profiling

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

violation contains found if {
	some server in servers
	some found in apiserver.boolean(server, "profiling", "false", "true")
}
