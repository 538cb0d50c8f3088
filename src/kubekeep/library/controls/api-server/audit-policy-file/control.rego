package kubekeep.controls.audit_policy_file

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.required(server, "audit-policy-file", "no audit events are logged")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
