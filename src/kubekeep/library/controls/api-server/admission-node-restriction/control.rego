package kubekeep.controls.admission_node_restriction

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(declined) > 0

violation contains found if {
	some server in servers
	some found in apiserver.enabled(server, "NodeRestriction", "kubelets can change other nodes")
}

declined contains reason if some reason in apiserver.unread_line(input.object)
