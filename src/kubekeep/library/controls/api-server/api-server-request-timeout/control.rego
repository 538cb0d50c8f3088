package kubekeep.controls.api_server_request_timeout

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.flags

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains object.union(flags.replaced(setting, "300s"), {"message": message}) if {
	some server in servers
	setting := apiserver.setting(server, "request-timeout")
	not appropriate(setting.value)
	message := sprintf("--request-timeout is %s, expected a duration of up to 5 minutes", [setting.value])
}

appropriate(text) if {
	seconds := apiserver.seconds(text)
	seconds > 0
	seconds <= 300
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
