package kubekeep.controls.api_server_profiling

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.boolean(server, "profiling", "false", "true")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
