package kubekeep.controls.etcd_auto_tls

import data.kubekeep.lib.component

processes := component.processes("etcd")

applies if count(processes) > 0

violation contains finding if {
	some process in processes
	not component.unread(process)
	component.boolean_flag(process, "auto-tls") == true
	reason := "etcd uses a self-signed certificate for clients"
	finding := component.finding(process, "auto-tls", "false", reason)
}

not_evaluated contains reason if {
	some process in processes
	reason := component.unread(process)
}
