package kubekeep.controls.authorization_always_allow

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.flags

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.missing_modes(server)
}

violation contains object.union(flags.replaced(setting, concat(",", modes)), {"message": message}) if {
	some server in servers
	some setting in flags.settings(server.words, "authorization-mode")
	listed := apiserver.entries(setting.value)
	"AlwaysAllow" in listed
	modes := array.concat([mode | some mode in listed; not mode in {"AlwaysAllow", "RBAC"}], ["RBAC"])
	message := sprintf("--authorization-mode is %s: all requests are allowed", [setting.value])
}

not_evaluated contains reason if {
	some reason in apiserver.unread_modes(servers)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
