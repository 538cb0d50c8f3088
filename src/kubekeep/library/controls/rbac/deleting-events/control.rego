package kubekeep.controls.deleting_events

import data.kubekeep.lib.rbac

applies if rbac.evaluated

resources := {
	"": {"*", "events"},
	"events.k8s.io": {"*", "events"},
}

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence_unnamed(resources, {"*", "delete", "deletecollection"})
	count(paths) > 0
	message := rbac.message("delete events")
	some path in paths
}

not_evaluated contains rbac.unknown_role
