package kubekeep.controls.metadata_api

import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

reached := input.object[section].providerMetaDataAPIAccess

violation contains {"path": sprintf("%s.providerMetaDataAPIAccess", [section]), "message": message} if {
	reached == true
	message := "providerMetaDataAPIAccess is true: pods on the node reach the cloud metadata service"
}

not_evaluated contains "providerMetaDataAPIAccess was not collected" if not is_boolean(reached)
