package kubekeep.controls.audit_log_max_age

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.at_least(server, "audit-log-maxage", 30, "keep audit logs for at least 30 days")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
