package kubekeep.controls.api_server_anonymous_access

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in findings(server)
}

findings(server) := apiserver.boolean(server, "anonymous-auth", "false", "true") if not by_file(server)

# An AuthenticationConfiguration may set the conditions for anonymous requests; it cannot be combined with the flag.
by_file(server) if {
	apiserver.has(server, "authentication-config")
	not apiserver.setting(server, "anonymous-auth")
}

not_evaluated contains "the file of --authentication-config, which can restrict anonymous requests, was not collected" if {
	some server in servers
	by_file(server)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
