package kubekeep.controls.deleting_resources

import data.kubekeep.lib.rbac

resources := {
	"": {
		"*",
		"configmaps",
		"namespaces",
		"nodes",
		"persistentvolumeclaims",
		"persistentvolumes",
		"pods",
		"replicationcontrollers",
		"secrets",
		"services",
	},
	"apps": {"*", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"batch": {"*", "cronjobs", "jobs"},
}

violation contains {"path": path, "message": rbac.message("delete workloads or data")} if {
	some path in rbac.evidence_unnamed(resources, {"*", "delete", "deletecollection"})
}

not_evaluated contains rbac.unknown_role
