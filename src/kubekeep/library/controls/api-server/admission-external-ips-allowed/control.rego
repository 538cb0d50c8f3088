package kubekeep.controls.admission_external_ips_allowed

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.not_enabled(server, "DenyServiceExternalIPs", "all new external IPs are rejected")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
