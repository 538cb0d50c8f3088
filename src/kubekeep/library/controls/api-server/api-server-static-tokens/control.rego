package kubekeep.controls.api_server_static_tokens

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains object.union(apiserver.removed(setting), {"message": message}) if {
	some server in servers
	setting := apiserver.setting(server, "token-auth-file")
	setting.value != ""
	message := sprintf("--token-auth-file is %s: static tokens never expire", [setting.value])
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
