package kubekeep.controls.kubelet_streaming_timeout

import data.kubekeep.lib.kubelet

setting := kubelet.setting(
	"streaming-connection-idle-timeout",
	"streamingConnectionIdleTimeout",
	{"flag": "4h", "file": "4h"},
)

violation contains kubelet.finding(setting, {"fix": "4h"}, reason) if {
	setting
	not ended
	reason := "idle connections to pods are never closed"
}

ended if regex.match(`^[^-]*[1-9]`, kubelet.text(setting))

not_evaluated contains kubelet.uncollected if not setting
