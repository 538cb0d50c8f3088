package kubekeep.controls.encryption_provider_config

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in missing(server)
}

missing(server) := apiserver.required(server, "encryption-provider-config", "Secrets are not encrypted at rest") if {
	not apiserver.has(server, "experimental-encryption-provider-config")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
