package kubekeep.controls.kubelet_kubeconfig_owner

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["kubeConfigFile"])

# Without the flag, the kubelet runs standalone, without an API server (Kubernetes docs, kubelet).
applies if count(files) > 0

applies if hostfile.flag(input.object, "kubeconfig") != ""

applies if not hostfile.line(input.object)

violation contains finding if some finding in hostfile.foreign(files, {"root"})

not_evaluated contains reason if {
	some reason in hostfile.unknown_owners(files, {"root"}, "the kubeconfig of the kubelet")
}
