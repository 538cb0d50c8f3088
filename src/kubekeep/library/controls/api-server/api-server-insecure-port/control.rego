package kubekeep.controls.api_server_insecure_port

import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

violation contains flags.replaced(setting, "0") if {
	some server in servers
	setting := flags.last(flags.words(server), "insecure-port")
	setting.value != "0"
}

violation contains object.union({"path": flags.end(server)}, added(server)) if {
	some server in servers
	not flags.value(server, "insecure-port")
	flags.minor(server) < 20
}

added(server) := {"fix": "--insecure-port=0"} if {
	flags.plain(server)
} else := {}
