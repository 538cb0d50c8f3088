package kubekeep.controls.aks_azure_rbac

import data.kubekeep.lib.description

violation contains {"path": enabled.path, "message": message} if {
	description.described
	message := "enableAzureRBAC is not true: Azure RBAC does not control access to the cluster"
	enabled := description.at(description.at(description.cluster, "aadProfile"), "enableAzureRBAC")
	not description.yes(enabled.value)
}

not_evaluated contains "the description of the cluster is empty" if not description.described
