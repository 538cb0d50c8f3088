package kubekeep.controls.kubelet_serving_certificate

import data.kubekeep.lib.kubelet

certificate := kubelet.setting("tls-cert-file", "tlsCertFile", {"flag": "", "file": ""})

key := kubelet.setting("tls-private-key-file", "tlsPrivateKeyFile", {"flag": "", "file": ""})

bootstrap := kubelet.setting("rotate-server-certificates", "serverTLSBootstrap", {"flag": false, "file": false})

violation contains kubelet.finding(setting, {}, reason) if {
	some setting in [certificate, key]
	not kubelet.text(setting) != ""
	not kubelet.truth(bootstrap) == true
	reason := "the kubelet signs its serving certificate itself"
}

declined contains kubelet.uncollected if not certificate
