package kubekeep.controls.controller_manager_root_ca

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(declined) > 0

violation contains finding if {
	some process in processes
	reason := "pods cannot verify the certificate of the API server"
	finding := component.lacking(process, "root-ca-file", 0, reason)
}

declined contains reason if some reason in component.unread_line("kube-controller-manager")
