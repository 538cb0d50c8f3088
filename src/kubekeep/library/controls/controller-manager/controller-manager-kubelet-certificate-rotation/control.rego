package kubekeep.controls.controller_manager_kubelet_certificate_rotation

import data.kubekeep.lib.component

processes := component.processes("kube-controller-manager")

applies if count(processes) > 0

applies if count(not_evaluated) > 0

name := "RotateKubeletServerCertificate"

violation contains finding if {
	some process in processes
	not enabled(process.words)
	reason := sprintf("%s is disabled", [name])
	finding := component.finding(process, "feature-gates", concat(",", expected_gates(process)), reason)
}

# The gate is beta and on by default since Kubernetes 1.12 (kube_features.go); AllBeta sets it if it is not set itself.
enabled(words) if component.gate(words, name) == true

enabled(words) if {
	not gated(words, name)
	not gated(words, "AllBeta")
}

enabled(words) if {
	not gated(words, name)
	component.gate(words, "AllBeta") == true
}

gated(words, gate) if component.gate(words, gate) != null

# Later gates take precedence, so a gate added to the last flag is effective.
expected_gates(process) := array.concat(others(process), [sprintf("%s=true", [name])])

others(process) := [pair |
	some pair in split(component.value(process, "feature-gates"), ",")
	pair != ""
	trim_space(split(pair, "=")[0]) != name
] if {
	component.value(process, "feature-gates") != null
} else := []

not_evaluated contains reason if some reason in component.unread_line("kube-controller-manager")
