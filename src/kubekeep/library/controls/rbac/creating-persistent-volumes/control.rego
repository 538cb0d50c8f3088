package kubekeep.controls.creating_persistent_volumes

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("create persistent volumes")} if {
	resources := rbac.cluster_scoped({"persistentvolumes"}, {"*"})
	some path in rbac.evidence_unnamed({"": resources}, {"*", "create"})
}

not_evaluated contains rbac.unknown_role
