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

aks_rbac[path] := enabled if {
	cloud.provider == "aks"
	some field in ["enableRBAC", "enableRbac", "EnableRBAC", "enable_rbac"]
	enabled := input.object.data.properties[field]
	is_boolean(enabled)
	path := sprintf("data.properties.%s", [field])
}

violation contains {"path": path, "message": "RBAC is not enabled for the cluster"} if {
	some path, enabled in aks_rbac
	enabled == false
}

declined contains "the description of the cluster does not say whether RBAC is enabled" if {
	cloud.provider == "aks"
	count(aks_rbac) == 0
}

declined contains "the description of the cluster is empty" if {
	cloud.provider == "gke"
	not described
}

described if count(input.object.data) > 0
