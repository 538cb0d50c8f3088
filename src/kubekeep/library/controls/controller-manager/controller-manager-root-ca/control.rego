package kubekeep.controls.controller_manager_root_ca

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	reason := "pods cannot verify the certificate of the API server"
	finding := component.missing(process, "root-ca-file", 0, reason)
}

not_evaluated contains reason if some reason in component.unread_line("kube-controller-manager")
