package kubekeep.controls.kubelet_serving_certificate_rotation

import data.kubekeep.lib.component
import data.kubekeep.lib.kubelet

name := "RotateKubeletServerCertificate"

bootstrap := kubelet.setting("rotate-server-certificates", "serverTLSBootstrap", {"flag": false, "file": false})

# A feature gate on the command line overrides the one in the file.
gate := {"said": sprintf("--feature-gates contains %s=%v", [name, given]), "value": given, "at": kubelet.line_path} if {
	given := component.gate(kubelet.words, name)
} else := found if {
	found := kubelet.filed(sprintf("featureGates.%s", [name]), "")
} else := {
	"said": "--feature-gates does not contain RotateKubeletServerCertificate",
	"value": "",
	"at": kubelet.line_path,
} if {
	kubelet.line != ""
	not kubelet.unread
}

violation contains kubelet.finding(gate, mend, reason) if {
	not kubelet.truth(gate) == true
	not asked
	reason := "the serving certificate is not renewed"
}

asked if {
	kubelet.truth(bootstrap) == true
	not kubelet.truth(gate) == false
}

default mend := {}

mend := {"fix": true} if kubelet.truth(gate) == false

declined contains kubelet.uncollected if not gate
