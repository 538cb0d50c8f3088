package kubekeep.controls.pss_run_as_non_root

# Said nowhere for some container: once for the whole pod mends them all.
violation contains {"path": sprintf("%s.securityContext.runAsNonRoot", [input.workload.path]), "fix": true} if {
	some container in input.workload.containers
	not container.effective.runAsNonRoot in {true, false}
	not exempt
}

# Said to be false: refused wherever it stands, even in a pod all of whose containers say true.
violation contains {"path": sprintf("%s.securityContext.runAsNonRoot", [input.workload.path]), "fix": true} if {
	input.workload.spec.securityContext.runAsNonRoot == false
	not exempt
}

violation contains {"path": sprintf("%s.securityContext.runAsNonRoot", [container.path]), "fix": true} if {
	some container in input.workload.containers
	container.securityContext.runAsNonRoot == false
	not exempt
}

# Root in a user namespace of the pod's own is nobody on the node (KEP-127).
exempt if {
	input.workload.spec.hostUsers == false
	input.kubernetes.minor >= 35
}
