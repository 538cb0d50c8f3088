package kubekeep.controls.service_account_lookup

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

violation contains found if {
	some server in servers
	some found in apiserver.boolean(server, "service-account-lookup", "true", "true")
}
