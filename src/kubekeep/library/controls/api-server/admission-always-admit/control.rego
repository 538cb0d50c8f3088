package kubekeep.controls.admission_always_admit

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.not_enabled(server, "AlwaysAdmit", "all requests are admitted")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
