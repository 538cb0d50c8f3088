package kubekeep.controls.kube_proxy_kubeconfig_mode

import data.kubekeep.lib.hostfile

files := hostfile.at(input.object, ["kubeConfigFile"])

# In a Pod, kube-proxy usually authenticates with the token of its service account and has no such file.
applies if count(files) > 0

applies if hostfile.flag(input.object, "kubeconfig") != ""

violation contains finding if some finding in hostfile.looser(files, "600")

not_evaluated contains reason if {
	some reason in hostfile.unknown_modes(files, "the kubeconfig of kube-proxy")
}
