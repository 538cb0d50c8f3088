package kubekeep.controls.kubelet_anonymous_access

import data.kubekeep.lib.kubelet

# The default is true for a kubelet without a configuration file and false with one (Kubernetes docs, kubelet
# authentication).
setting := kubelet.setting(
	"anonymous-auth", "authentication.anonymous.enabled",
	{"flag": true, "file": false, "folder": true},
)

violation contains kubelet.finding(setting, {"fix": false}, reason) if {
	setting
	not refused
	reason := "anonymous requests are accepted"
}

refused if kubelet.boolean_setting(setting) == false

not_evaluated contains kubelet.uncollected if not setting
