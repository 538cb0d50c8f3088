package kubekeep.controls.api_server_static_tokens

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains object.union(apiserver.removed(given), {"message": message}) if {
	some server in servers
	given := apiserver.setting(server, "token-auth-file")
	given.value != ""
	message := sprintf("--token-auth-file is %s: static tokens never expire", [given.value])
}

declined contains reason if some reason in apiserver.unread_line(input.object)
