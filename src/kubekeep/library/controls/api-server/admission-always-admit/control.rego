package kubekeep.controls.admission_always_admit

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.not_enabled(server, "AlwaysAdmit", "all requests are admitted")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
