package kubekeep.controls.kubelet_serving_certificate

import data.kubekeep.lib.kubelet

certificate := kubelet.setting("tls-cert-file", "tlsCertFile", {"flag": "", "file": ""})

key := kubelet.setting("tls-private-key-file", "tlsPrivateKeyFile", {"flag": "", "file": ""})

bootstrap := kubelet.setting("rotate-server-certificates", "serverTLSBootstrap", {"flag": false, "file": false})

violation contains kubelet.finding(setting, {}, reason) if {
	some setting in [certificate, key]
	kubelet.text(setting) == ""
	kubelet.boolean_setting(bootstrap) != true
	reason := "the kubelet uses a self-signed serving certificate"
}

not_evaluated contains kubelet.uncollected if not settled

settled if kubelet.boolean_setting(bootstrap) == true

settled if {
	kubelet.text(certificate) != ""
	kubelet.text(key) != ""
}

settled if {
	certificate
	key
	bootstrap
}
