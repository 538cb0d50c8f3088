package kubekeep.controls.audit_log_max_backup

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.at_least(server, "audit-log-maxbackup", 10, "keep at least 10 old audit logs")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
