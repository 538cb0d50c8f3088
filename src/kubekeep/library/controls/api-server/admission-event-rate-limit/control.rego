package kubekeep.controls.admission_event_rate_limit

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in without_fix(server)
}

# Without a configuration file the plugin prevents the start of the API server, so the flag alone is no fix.
without_fix(server) := [object.remove(finding, ["fix"]) |
	some finding in apiserver.enabled(server, "EventRateLimit", "the rate of Events is not limited")
]

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
