package kubekeep.controls.pss_run_as_non_root

import data.kubekeep.lib.pod_security

# Said nowhere for some container: once for the whole pod mends them all.
violation contains {"path": sprintf("%s.securityContext.runAsNonRoot", [input.workload.path]), "fix": true} if {
	not pod_security.user_namespace
	some container in input.workload.containers
	object.get(container.effective, "runAsNonRoot", null) == null
}

# Said to be false: refused wherever it stands, even in a pod all of whose containers say true.
violation contains {"path": sprintf("%s.runAsNonRoot", [path]), "fix": true} if {
	not pod_security.user_namespace
	some path, context in pod_security.contexts
	context.runAsNonRoot == false
}
