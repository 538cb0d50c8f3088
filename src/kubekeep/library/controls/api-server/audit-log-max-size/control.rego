package kubekeep.controls.audit_log_max_size

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.at_least(server, "audit-log-maxsize", 100, "rotate audit logs at 100 MB or more")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
