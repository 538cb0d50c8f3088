package kubekeep.controls.kubelet_cipher_suites

import data.kubekeep.lib.kubelet

setting := kubelet.setting("tls-cipher-suites", field, {"flag": "", "file": preferred})

# The CIS benchmark spells the field in its own way.
field := "TLSCipherSuites" if {
	kubelet.named("TLSCipherSuites")
} else := "tlsCipherSuites"

preferred := [
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]

# Suites of TLS 1.3 name no key exchange.
strong := concat("", [
	`^TLS_((ECDHE_ECDSA|ECDHE_RSA|RSA)_WITH_)?`,
	`(AES_128_GCM|AES_256_GCM|CHACHA20_POLY1305)(_SHA256|_SHA384)?$`,
])

suites := setting.value if {
	is_array(setting.value)
} else := split(kubelet.text(setting), ",")

named := [name | name := trim_space(suites[_]); name != ""]

weak := [name | some name in named; not regex.match(strong, name)]

violation contains kubelet.finding(setting, {"fix": preferred}, reason) if {
	count(weak) > 0
	reason := sprintf("these are weak: %s", [concat(", ", weak)])
}

violation contains kubelet.finding(setting, {"fix": preferred}, reason) if {
	setting
	not count(named) > 0
	reason := "weak ciphers are not excluded"
}

declined contains kubelet.uncollected if not setting
