package kubekeep.controls.aks_defender

import data.kubekeep.lib.description

profile := description.at(description.cluster, "securityProfile")

monitoring := description.at(description.at(description.at(profile, "defender"), "securityMonitoring"), "enabled")

violation contains {"path": monitoring.path, "message": message} if {
	description.described
	message := "Microsoft Defender is off: nothing scans the images of the cluster or watches it"
	not description.yes(monitoring.value)
	not description.yes(description.at(description.at(profile, "azureDefender"), "enabled").value)
}

declined contains "the description of the cluster is empty" if not description.described
