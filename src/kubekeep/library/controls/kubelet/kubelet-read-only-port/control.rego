package kubekeep.controls.kubelet_read_only_port

import data.kubekeep.lib.kubelet

setting := kubelet.setting("read-only-port", "readOnlyPort", {"flag": 10255, "file": 0, "folder": 10255})

violation contains kubelet.finding(setting, {"fix": 0}, reason) if {
	setting
	not closed
	reason := "pods and metrics are readable without authentication"
}

# The port responded to a request (`kubekeep scan --host-scan`).
violation contains {"path": sprintf("%s.readOnlyPort", [kubelet.section]), "message": message} if {
	kubelet.info.readOnlyPort.answers == true
	message := "the read-only port is open: pods and metrics are readable without authentication"
}

closed if kubelet.text(setting) == "0"

not_evaluated contains kubelet.uncollected if not setting
