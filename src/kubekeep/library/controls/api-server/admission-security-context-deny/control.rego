package kubekeep.controls.admission_security_context_deny

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

either := {"SecurityContextDeny", "PodSecurityPolicy"}

violation contains finding if {
	some server in servers
	on := apiserver.listed(server, "enable-admission-plugins") - apiserver.listed(server, "disable-admission-plugins")
	count(on & either) == 0
	some proposed in apiserver.enabled(server, "SecurityContextDeny", "PodSecurityPolicy is not enabled either")
	finding := possible(proposed, server.minor)
}

# From 1.30 on, an API server with this plugin enabled does not start.
possible(proposed, minor) := proposed if {
	minor < 30
} else := object.remove(proposed, ["fix", "delete"])

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
