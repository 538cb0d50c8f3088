package kubekeep.controls.etcd_peer_certificates

import data.kubekeep.lib.component

processes := component.processes("etcd")

applies if count(processes) > 0

violation contains finding if {
	some process in processes
	not component.unread(process)
	component.boolean_flag(process, "peer-client-cert-auth") != true
	reason := "etcd accepts peers without a certificate"
	finding := component.finding(process, "peer-client-cert-auth", "true", reason)
}

not_evaluated contains reason if {
	some process in processes
	reason := component.unread(process)
}
