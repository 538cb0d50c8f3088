package kubekeep.controls.kubelet_serving_certificate_rotation

import data.kubekeep.lib.component
import data.kubekeep.lib.kubelet

name := "RotateKubeletServerCertificate"

bootstrap := kubelet.setting("rotate-server-certificates", "serverTLSBootstrap", {"flag": false, "file": false})

# A feature gate on the command line overrides the one in the file.
gate := {
	"description": sprintf("--feature-gates contains %s=%v", [name, value]),
	"value": value,
	"at": kubelet.line_path,
} if {
	value := component.gate(kubelet.words, name)
} else := setting if {
	setting := kubelet.filed(sprintf("featureGates.%s", [name]), "")
} else := {
	"description": "--feature-gates does not contain RotateKubeletServerCertificate",
	"value": "",
	"at": kubelet.line_path,
} if {
	kubelet.line != ""
	not kubelet.unread
}

violation contains kubelet.finding(gate, fix, reason) if {
	not kubelet.boolean_setting(gate) == true
	not requested
	reason := "the serving certificate is not renewed"
}

requested if {
	kubelet.boolean_setting(bootstrap) == true
	not kubelet.boolean_setting(gate) == false
}

default fix := {}

fix := {"fix": true} if kubelet.boolean_setting(gate) == false

not_evaluated contains kubelet.uncollected if not gate
