package kubekeep.controls.kubelet_client_tls

import data.kubekeep.lib.kubelet

setting := kubelet.setting("client-ca-file", "authentication.x509.clientCAFile", {"flag": "", "file": ""})

violation contains kubelet.finding(setting, {}, reason) if {
	setting
	not named
	reason := "clients cannot authenticate with certificates"
}

named if kubelet.text(setting) != ""

not_evaluated contains kubelet.uncollected if not setting
