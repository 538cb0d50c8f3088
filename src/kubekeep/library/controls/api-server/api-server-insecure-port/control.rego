package kubekeep.controls.api_server_insecure_port

import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

violation contains object.union(flags.replaced(setting, "0"), {"message": message}) if {
	some server in servers
	setting := flags.last(flags.words(server), "insecure-port")
	setting.value != "0"
	message := sprintf("--insecure-port is %s: requests on this port need no authentication", [setting.value])
}

violation contains object.union({"path": flags.end(server), "message": message}, added(server)) if {
	some server in servers
	not flags.value(server, "insecure-port")
	flags.minor(server) < 20
	message := sprintf("--insecure-port is not set: the default of kube-apiserver 1.%d is 8080", [flags.minor(server)])
}

added(server) := {"fix": "--insecure-port=0"} if {
	flags.plain(server)
} else := {}
