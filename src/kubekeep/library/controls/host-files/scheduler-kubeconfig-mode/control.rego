package kubekeep.controls.scheduler_kubeconfig_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["schedulerInfo", "configFile"])

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "scheduler.conf")
}
