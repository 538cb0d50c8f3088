package kubekeep.controls.scheduler_kubeconfig_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["schedulerInfo", "configFile"])

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "scheduler.conf")
}
