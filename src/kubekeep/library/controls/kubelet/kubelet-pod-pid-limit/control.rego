package kubekeep.controls.kubelet_pod_pid_limit

import data.kubekeep.lib.kubelet

setting := kubelet.setting("pod-max-pids", "podPidsLimit", {"flag": -1, "file": -1})

violation contains kubelet.finding(setting, {"fix": 4096}, reason) if {
	setting
	not limited
	reason := "one pod can use all process IDs of the node"
}

limited if regex.match(`^[+]?0*[1-9][0-9]*$`, kubelet.text(setting))

not_evaluated contains kubelet.uncollected if not setting
