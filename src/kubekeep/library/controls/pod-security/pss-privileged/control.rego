package kubekeep.controls.pss_privileged

violation contains {"path": sprintf("%s.securityContext.privileged", [container.path]), "fix": false} if {
	some container in input.workload.containers
	container.securityContext.privileged == true
}
