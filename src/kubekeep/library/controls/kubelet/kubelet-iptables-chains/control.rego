package kubekeep.controls.kubelet_iptables_chains

import data.kubekeep.lib.kubelet

setting := kubelet.setting("make-iptables-util-chains", "makeIPTablesUtilChains", {"flag": true, "file": true})

violation contains kubelet.finding(setting, {"fix": true}, reason) if {
	setting
	not kept
	reason := "the kubelet does not manage the iptables rules of the node"
}

kept if kubelet.boolean_setting(setting) == true

not_evaluated contains kubelet.uncollected if not setting
