package kubekeep.controls.administrative_roles

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence({"*"}, {"*"})
	count(paths) > 0
	message := rbac.message("perform all actions")
	some path in paths
}

not_evaluated contains rbac.unknown_role
