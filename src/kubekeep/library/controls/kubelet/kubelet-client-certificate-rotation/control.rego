package kubekeep.controls.kubelet_client_certificate_rotation

import data.kubekeep.lib.kubelet

# Only an explicit false is a violation: kubelets can get certificates in other ways.
setting := kubelet.setting("rotate-certificates", "rotateCertificates", {"flag": true, "file": true})

violation contains kubelet.finding(setting, {"fix": true}, reason) if {
	setting
	not renewed
	reason := "the client certificate is not renewed before it expires"
}

renewed if kubelet.boolean_setting(setting) == true

not_evaluated contains kubelet.uncollected if not setting
