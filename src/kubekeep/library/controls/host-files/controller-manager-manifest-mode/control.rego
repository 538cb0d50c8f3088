package kubekeep.controls.controller_manager_manifest_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["controllerManagerInfo", "specsFile"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "the manifest of the controller manager")
}
