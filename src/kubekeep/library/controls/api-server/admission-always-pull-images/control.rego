package kubekeep.controls.admission_always_pull_images

import data.kubekeep.lib.apiserver

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some server in servers
	some finding in apiserver.enabled(server, "AlwaysPullImages", "pods can use private images cached on the node")
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
