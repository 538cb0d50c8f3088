package kubekeep.controls.aks_azure_rbac

import data.kubekeep.lib.description

violation contains {"path": enabled.path, "message": "enableAzureRBAC is not true: only the cluster knows its users"} if {
	description.described
	enabled := description.at(description.at(description.cluster, "aadProfile"), "enableAzureRBAC")
	not description.yes(enabled.value)
}

declined contains "the description of the cluster is empty" if not description.described
