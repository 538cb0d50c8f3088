package kubekeep.controls.creating_persistent_volumes

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	resources := rbac.cluster_scoped({"*", "persistentvolumes"})
	paths := rbac.evidence_unnamed({"": resources}, {"*", "create"})
	count(paths) > 0
	message := rbac.message("create persistent volumes")
	some path in paths
}

not_evaluated contains rbac.unknown_role
