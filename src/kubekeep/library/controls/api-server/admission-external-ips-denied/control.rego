package kubekeep.controls.admission_external_ips_denied

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.enabled(server, "DenyServiceExternalIPs", "Services can use any external IP")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
