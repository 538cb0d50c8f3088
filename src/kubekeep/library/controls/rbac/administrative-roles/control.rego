package kubekeep.controls.administrative_roles

import data.kubekeep.lib.rbac

violation contains {"path": path} if {
	some path in rbac.evidence({"*"}, {"*"})
}
