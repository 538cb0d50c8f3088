package kubekeep.controls.webhook_configuration_changes

import data.kubekeep.lib.rbac

configurations := {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}

violation contains {"path": path, "message": rbac.message("change webhook configurations")} if {
	resources := rbac.cluster_scoped(configurations, {"*"})
	some path in rbac.evidence_in({"admissionregistration.k8s.io": resources}, changing)
}

changing := {"*", "create", "delete", "deletecollection", "patch", "update"}

not_evaluated contains rbac.unknown_role
