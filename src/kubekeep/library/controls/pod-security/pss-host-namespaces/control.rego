package kubekeep.controls.pss_host_namespaces

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "fix": false} if {
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	input.workload.spec[field] == true
}
