package kubekeep.controls.kubelet_event_rate

import data.kubekeep.lib.kubelet

setting := kubelet.setting("event-qps", "eventRecordQPS", {"flag": 50, "file": 50})

violation contains kubelet.finding(setting, {"fix": 50}, reason) if {
	setting
	not recorded
	reason := "events above this rate are dropped"
}

# 0 means no limit; 5 was the default before 1.27.
recorded if regex.match(`^(0+|0*([5-9]|[1-9][0-9]+))$`, kubelet.text(setting))

not_evaluated contains kubelet.uncollected if not setting
