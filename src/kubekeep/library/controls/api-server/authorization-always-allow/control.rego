package kubekeep.controls.authorization_always_allow

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.flags

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.missing_modes(server)
}

violation contains object.union(flags.replaced(given, concat(",", modes)), {"message": message}) if {
	some server in servers
	some given in flags.settings(server.words, "authorization-mode")
	listed := apiserver.items(given.value)
	"AlwaysAllow" in listed
	modes := array.concat([mode | some mode in listed; not mode in {"AlwaysAllow", "RBAC"}], ["RBAC"])
	message := sprintf("--authorization-mode is %s: all requests are allowed", [given.value])
}

declined contains reason if {
	some reason in apiserver.unread_modes(servers)
}

declined contains reason if some reason in apiserver.unread_line(input.object)
