package kubekeep.controls.kubelet_cipher_suites

import data.kubekeep.lib.flags
import data.kubekeep.lib.kubelet

# Repeated flags are combined.
setting := object.union(last, {"value": joined, "description": kubelet.describe(last.name, joined)}) if {
	count(flag_values) > 1
	joined := concat(",", [text | some text in flag_values; text != ""])
} else := last

flag_values := [trim_space(stated.value) | some stated in flags.settings(kubelet.words, "tls-cipher-suites")]

last := kubelet.setting("tls-cipher-suites", field, {"flag": "", "file": preferred})

# The CIS benchmark spells the field differently.
field := "TLSCipherSuites" if {
	kubelet.named("TLSCipherSuites")
} else := "tlsCipherSuites"

# TLS 1.3 suites cannot be selected. If the minimum version is unknown, it is unknown whether the suites have an effect.
minimum := kubelet.setting("tls-min-version", "tlsMinVersion", {"flag": "", "file": ""})

chosen if kubelet.text(minimum) != "VersionTLS13"

unchosen if kubelet.text(minimum) == "VersionTLS13"

preferred := [
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]

# The names of TLS 1.3 suites contain no key exchange.
strong := concat("", [
	`^TLS_((ECDHE_ECDSA|ECDHE_RSA|RSA)_WITH_)?`,
	`(AES_128_GCM|AES_256_GCM|CHACHA20_POLY1305)(_SHA256|_SHA384)?$`,
])

suites := setting.value if {
	is_array(setting.value)
} else := split(kubelet.text(setting), ",")

named := [name | name := trim_space(suites[_]); name != ""]

weak := [name | some name in named; not regex.match(strong, name)]

complaint := sprintf("weak cipher suites: %s", [concat(", ", weak)]) if {
	count(weak) > 0
} else := "weak cipher suites are not excluded" if {
	setting
	not count(named) > 0
}

violation contains kubelet.finding(setting, {"fix": preferred}, complaint) if chosen

not_evaluated contains kubelet.uncollected if {
	not setting
	not unchosen
}

not_evaluated contains kubelet.uncollected if {
	complaint
	not minimum
}
