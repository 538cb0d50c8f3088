package kubekeep.controls.deleting_resources

import data.kubekeep.lib.rbac

applies if rbac.evaluated

core := {
	"*",
	"configmaps",
	"namespaces",
	"persistentvolumeclaims",
	"pods",
	"replicationcontrollers",
	"secrets",
	"services",
} | rbac.cluster_scoped({"nodes", "persistentvolumes"})

resources := {
	"": core,
	"apps": {"*", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"batch": {"*", "cronjobs", "jobs"},
}

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.evidence_unnamed(resources, {"*", "delete", "deletecollection"})
	count(paths) > 0
	message := rbac.message("delete workloads or data")
	some path in paths
}

not_evaluated contains rbac.unknown_role
