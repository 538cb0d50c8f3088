package kubekeep.controls.creating_persistent_volumes

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	message := rbac.message("create persistent volumes")
	resources := rbac.cluster_scoped({"*", "persistentvolumes"})
	some path in rbac.evidence_unnamed({"": resources}, {"*", "create"})
}

not_evaluated contains rbac.unknown_role
