package kubekeep.controls.controller_manager_account_key

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	reason := "service account tokens are not signed with a private key"
	finding := component.missing(process, "service-account-private-key-file", 0, reason)
}

not_evaluated contains reason if some reason in component.unread_line("kube-controller-manager")
