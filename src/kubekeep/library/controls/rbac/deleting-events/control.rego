package kubekeep.controls.deleting_events

import data.kubekeep.lib.rbac

resources := {
	"": {"*", "events"},
	"events.k8s.io": {"*", "events"},
}

violation contains {"path": path, "message": rbac.message("delete events")} if {
	some path in rbac.evidence_unnamed(resources, {"*", "delete", "deletecollection"})
}

not_evaluated contains rbac.unknown_role
