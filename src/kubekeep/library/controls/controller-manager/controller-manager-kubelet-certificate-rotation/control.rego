package kubekeep.controls.controller_manager_kubelet_certificate_rotation

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(declined) > 0

name := "RotateKubeletServerCertificate"

violation contains finding if {
	some process in processes
	not component.gate(process.words, name) == true
	reason := sprintf("%s=true is missing", [name])
	finding := component.finding(process, "feature-gates", concat(",", wanted(process)), reason)
}

# Later gates take precedence, so a gate added to the last flag is effective.
wanted(process) := array.concat(others(process), [sprintf("%s=true", [name])])

others(process) := [pair |
	some pair in split(component.value(process, "feature-gates"), ",")
	pair != ""
	trim_space(split(pair, "=")[0]) != name
] if {
	component.value(process, "feature-gates") != null
} else := []

declined contains reason if some reason in component.unread_line("kube-controller-manager")
