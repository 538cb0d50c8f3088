package kubekeep.controls.controller_manager_account_credentials

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	component.boolean_flag(process, "use-service-account-credentials") != true
	reason := "all controllers share the same permissions"
	finding := component.finding(process, "use-service-account-credentials", "true", reason)
}

not_evaluated contains reason if some reason in component.unread_line("kube-controller-manager")
