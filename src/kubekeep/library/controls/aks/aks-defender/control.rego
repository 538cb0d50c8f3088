package kubekeep.controls.aks_defender

import data.kubekeep.lib.description

profile := description.at(description.cluster, "securityProfile")

monitoring := description.at(description.at(description.at(profile, "defender"), "securityMonitoring"), "enabled")

violation contains {"path": monitoring.path, "message": message} if {
	description.described
	message := "defender.securityMonitoring.enabled is not true: Microsoft Defender is not enabled"
	not description.yes(monitoring.value)
	not description.yes(description.at(description.at(profile, "azureDefender"), "enabled").value)
}

not_evaluated contains "the description of the cluster is empty" if not description.described
