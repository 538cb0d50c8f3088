package kubekeep.controls.pss_proc_mount

violation contains {"path": sprintf("%s.securityContext.procMount", [container.path]), "fix": "Default"} if {
	some container in input.workload.containers
	container.securityContext.procMount != null
	container.securityContext.procMount != "Default"
	not exempt
}

exempt if {
	input.workload.spec.hostUsers == false
	input.kubernetes.minor >= 35
}
