package kubekeep.controls.etcd_peer_tls

import data.kubekeep.lib.component

processes := component.processes("etcd")

applies if count(processes) > 0

violation contains finding if {
	some process in processes
	some ahead, flag in ["peer-cert-file", "peer-key-file"]
	not component.unread(process)
	finding := component.missing(process, flag, ahead, "peer connections of etcd are not encrypted")
}

# A missing flag is located at the command line as a whole.
violation contains {"path": process.list, "message": message} if {
	some process in processes
	some flag in ["peer-cert-file", "peer-key-file"]
	not component.unread(process)
	not component.setting(process, flag)
	message := "etcd does not have both a certificate and a key for peers"
}

not_evaluated contains reason if {
	some process in processes
	reason := component.unread(process)
}
