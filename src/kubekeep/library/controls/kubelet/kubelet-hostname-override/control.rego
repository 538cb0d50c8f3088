package kubekeep.controls.kubelet_hostname_override

import data.kubekeep.lib.flags
import data.kubekeep.lib.kubelet

name := flags.last(kubelet.words, "hostname-override").value

violation contains object.union(kubelet.line_path, {"message": message}) if {
	name != ""
	message := sprintf("--hostname-override is %s", [name])
}

not_evaluated contains "the command line of the kubelet was not collected" if kubelet.line == ""
