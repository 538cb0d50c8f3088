package kubekeep.controls.webhook_configuration_changes

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	resources := rbac.cluster_scoped({"*", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"})
	paths := rbac.evidence_in({"admissionregistration.k8s.io": resources}, changing)
	count(paths) > 0
	message := rbac.message("change webhook configurations")
	some path in paths
}

changing := {"*", "create", "delete", "deletecollection", "patch", "update"}

not_evaluated contains rbac.unknown_role
