package kubekeep.controls.kubelet_seccomp_default

import data.kubekeep.lib.kubelet

setting := kubelet.setting("seccomp-default", "seccompDefault", {"flag": false, "file": false})

violation contains kubelet.finding(setting, {"fix": true}, reason) if {
	setting
	not kubelet.boolean_setting(setting) == true
	reason := "containers without a seccomp profile run unconfined"
}

not_evaluated contains kubelet.uncollected if not setting
