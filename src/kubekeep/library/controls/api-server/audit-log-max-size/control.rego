package kubekeep.controls.audit_log_max_size

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.at_least(server, "audit-log-maxsize", 100, "rotate audit logs at 100 MB or more")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
