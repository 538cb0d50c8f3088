package kubekeep.controls.kubelet_iptables_chains

import data.kubekeep.lib.kubelet

setting := kubelet.setting("make-iptables-util-chains", "makeIPTablesUtilChains", {"flag": true, "file": true})

violation contains kubelet.finding(setting, {"fix": true}, reason) if {
	setting
	not kept
	reason := "nothing keeps the iptables rules of the node in step with the network of its pods"
}

kept if kubelet.truth(setting) == true

declined contains kubelet.uncollected if not setting
