package kubekeep.controls.controller_manager_pod_garbage_collection

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	not bounded(process)
	reason := "the number of stored finished pods has no explicit limit"
	finding := component.finding(process, "terminated-pod-gc-threshold", "12500", reason)
}

bounded(process) if {
	threshold := component.value(process, "terminated-pod-gc-threshold")
	regex.match(`^[+]?0*[1-9][0-9]*$`, threshold)
}

not_evaluated contains reason if some reason in component.unread_line("kube-controller-manager")
