package kubekeep.controls.scheduler_bind_address

import data.kubekeep.lib.component

processes := component.processes("kube-scheduler")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	not component.loopback(component.value(process, "bind-address"))
	reason := "the scheduler is reachable from other machines"
	finding := component.finding(process, "bind-address", "127.0.0.1", reason)
}

not_evaluated contains reason if some reason in component.unread_line("kube-scheduler")
