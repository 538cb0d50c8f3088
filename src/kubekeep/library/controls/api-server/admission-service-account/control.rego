package kubekeep.controls.admission_service_account

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

violation contains found if {
	some server in servers
	some found in apiserver.not_disabled(server, "ServiceAccount", "pods get no service account")
}
