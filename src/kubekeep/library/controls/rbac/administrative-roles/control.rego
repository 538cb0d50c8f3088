package kubekeep.controls.administrative_roles

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("do everything")} if {
	some path in rbac.evidence({"*"}, {"*"})
}
