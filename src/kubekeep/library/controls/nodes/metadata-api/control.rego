package kubekeep.controls.metadata_api

import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

reached := input.object[section].providerMetaDataAPIAccess

violation contains {"path": sprintf("%s.providerMetaDataAPIAccess", [section]), "message": message} if {
	reached == true
	message := "a Pod of the node gets answers from the cloud's metadata service"
}

declined contains "whether the metadata service answers was not collected" if not is_boolean(reached)
