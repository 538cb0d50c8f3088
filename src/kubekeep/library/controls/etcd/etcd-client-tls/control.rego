package kubekeep.controls.etcd_client_tls

import data.kubekeep.lib.component

processes := component.processes("etcd")

applies if count(processes) > 0

violation contains finding if {
	some process in processes
	some ahead, flag in ["cert-file", "key-file"]
	not component.unread(process)
	finding := component.missing(process, flag, ahead, "client connections to etcd are not encrypted")
}

not_evaluated contains reason if {
	some process in processes
	reason := component.unread(process)
}
