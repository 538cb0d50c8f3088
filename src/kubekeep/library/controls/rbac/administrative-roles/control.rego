package kubekeep.controls.administrative_roles

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("perform all actions")} if {
	some path in rbac.evidence({"*"}, {"*"})
}

not_evaluated contains rbac.unknown_role
