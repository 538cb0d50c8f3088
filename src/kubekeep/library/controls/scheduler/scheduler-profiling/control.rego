package kubekeep.controls.scheduler_profiling

import data.kubekeep.lib.component

processes := component.processes("kube-scheduler")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

violation contains finding if {
	some process in processes
	not component.setting(process, "config")
	component.boolean_flag(process, "profiling") != false
	reason := "the scheduler serves profiles at /debug/pprof"
	finding := component.finding(process, "profiling", "false", reason)
}

not_evaluated contains reason if {
	some process in processes
	file := component.setting(process, "config").value
	reason := sprintf("the scheduler reads enableProfiling from %s, which is not in the input", [file])
}

not_evaluated contains reason if some reason in component.unread_line("kube-scheduler")
