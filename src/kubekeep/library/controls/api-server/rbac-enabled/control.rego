package kubekeep.controls.rbac_enabled

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.cloud
import data.kubekeep.lib.description

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if count(not_evaluated) > 0

applies if input.object.kind == "ClusterDescribe"

violation contains finding if {
	some server in servers
	some finding in apiserver.mode(server, "RBAC", "roles have no effect")
}

not_evaluated contains reason if {
	some reason in apiserver.unread_modes(servers)
}

# GKE

violation contains {
	"path": enabled.path,
	"fix": false,
	"message": "legacyAbac.enabled is true: legacy authorization is enabled in addition to RBAC",
} if {
	described
	cloud.provider == "gke"
	enabled := description.at(description.at(description.cluster, "legacyAbac"), "enabled")
	description.yes(enabled.value)
}

# AKS

violation contains {"path": aks_rbac.path, "message": "enableRBAC is false"} if {
	described
	cloud.provider == "aks"
	aks_rbac.value == false
}

aks_rbac := description.at(description.cluster, "enableRBAC")

not_evaluated contains "the description of the cluster does not contain enableRBAC" if {
	described
	cloud.provider == "aks"
	not is_boolean(aks_rbac.value)
}

not_evaluated contains "the description of the cluster is empty" if {
	input.object.kind == "ClusterDescribe"
	not description.described
}

described if {
	input.object.kind == "ClusterDescribe"
	description.described
}

not_evaluated contains reason if some reason in apiserver.unread_line(input.object)
