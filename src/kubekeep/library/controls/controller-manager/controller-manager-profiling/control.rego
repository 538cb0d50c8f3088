package kubekeep.controls.controller_manager_profiling

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	component.boolean_flag(process, "profiling") != false
	reason := "the controller manager serves profiles at /debug/pprof"
	finding := component.finding(process, "profiling", "false", reason)
}

not_evaluated contains reason if some reason in component.unread_line("kube-controller-manager")
