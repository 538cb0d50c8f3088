package kubekeep.controls.api_server_secure_port

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.flags

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

# Any 0 is reported, even if a later flag overrides it.
violation contains object.union(apiserver.removed(setting), {"message": message}) if {
	some server in servers
	some setting in flags.settings(server.words, "secure-port")
	regex.match(`^0+$`, setting.value)
	message := sprintf("--secure-port is %s: the API is not served with TLS", [setting.value])
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
