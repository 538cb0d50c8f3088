package kubekeep.controls.scheduler_manifest_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["schedulerInfo", "specsFile"])

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the manifest of the scheduler")
}
