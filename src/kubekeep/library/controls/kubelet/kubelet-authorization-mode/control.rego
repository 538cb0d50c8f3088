package kubekeep.controls.kubelet_authorization_mode

import data.kubekeep.lib.kubelet

setting := kubelet.setting(
	"authorization-mode", "authorization.mode",
	{"flag": "AlwaysAllow", "file": "Webhook", "folder": "AlwaysAllow"},
)

violation contains kubelet.finding(setting, {"fix": "Webhook"}, reason) if {
	setting
	not authorized
	reason := "all authenticated requests are allowed"
}

authorized if kubelet.text(setting) != "AlwaysAllow"

not_evaluated contains kubelet.uncollected if not setting
