package kubekeep.controls.kubelet_kernel_defaults

import data.kubekeep.lib.kubelet

setting := kubelet.setting("protect-kernel-defaults", "protectKernelDefaults", {"flag": false, "file": false})

violation contains kubelet.finding(setting, {"fix": true}, reason) if {
	setting
	not protected
	reason := "the kubelet overwrites hardened kernel parameters"
}

protected if kubelet.boolean_setting(setting) == true

not_evaluated contains kubelet.uncollected if not setting
