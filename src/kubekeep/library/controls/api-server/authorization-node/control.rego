package kubekeep.controls.authorization_node

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.mode(server, "Node", "kubelets can access resources of other nodes")
}

not_evaluated contains reason if {
	some reason in apiserver.unread_modes(servers)
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
