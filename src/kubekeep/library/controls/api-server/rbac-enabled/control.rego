package kubekeep.controls.rbac_enabled

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.cloud

servers := apiserver.servers(input.object)

applies if count(servers) > 0

applies if cloud.provider

violation contains found if {
	some server in servers
	some found in apiserver.mode(server, "RBAC", "roles have no effect")
}

declined contains reason if {
	some reason in apiserver.unread_modes(servers)
}

# GKE

violation contains {"path": path, "fix": false, "message": "legacy authorization is enabled beside RBAC"} if {
	cloud.provider == "gke"
	some field in ["legacy_abac", "legacyAbac", "LegacyAbac"]
	some key in ["enabled", "Enabled"]
	input.object.data[field][key] == true
	path := sprintf("data.%s.%s", [field, key])
}

# AKS

aks_properties := object.get(input.object.data, "properties", input.object.data)

aks_rbac := cloud.any_of(aks_properties, ["enableRBAC", "enableRbac", "EnableRBAC", "enable_rbac"])

violation contains {"path": "data.properties.enableRBAC", "message": "RBAC is not enabled for the cluster"} if {
	cloud.provider == "aks"
	aks_rbac == false
}

declined contains "the description of the cluster does not say whether RBAC is enabled" if {
	cloud.provider == "aks"
	aks_rbac == null
}
