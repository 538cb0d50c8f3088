package kubekeep.controls.kube_proxy_metrics_address

import data.kubekeep.lib.component
import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

# The ConfigMap is called kube-proxy by kubeadm and kube-proxy-config by EKS.
config_map if {
	input.object.kind == "ConfigMap"
	input.object.metadata.namespace == "kube-system"
	input.object.metadata.name in {"kube-proxy", "kube-proxy-config"}
}

applies if config_map

applies if input.object.kind == "KubeProxyConfiguration"

# With --config, kube-proxy reads the address only from the file, which is in the ConfigMap.
applies if count(line) > 0

applies if count(unread) > 0

section := hostfile.section(input.object)

line_path := sprintf("%s.cmdLine", [section])

words := component.line_words(text, line_path) if {
	input.object.kind == "KubeProxyInfo"
	text := input.object[section].cmdLine
	is_string(text)
} else := []

by_file if flags.last(words, "config")

line := [word |
	not by_file
	some word in words
	word.text != ""
]

unread contains reason if {
	input.object.kind == "KubeProxyInfo"
	some reason in hostfile.unread_line(input.object, "kube-proxy", "cmdLine")
}

unread contains reason if {
	by_file
	some why in hostfile.refusals(input.object, "configuration") | closed
	reason := sprintf("the configuration file of kube-proxy was not read: %s", [why])
}

# An entry without a path applies to all files of the process.
closed := {entry.why |
	some entry in input.object.notRead
	entry.field == "kubeConfigFile"
	not entry.path
}

not_evaluated contains reason if some reason in unread

# Configurations of kube-proxy in the ConfigMap, by key.
configurations := {key: parsed |
	config_map
	some key
	text := input.object.data[key]
	is_string(text)
	key != "kubeconfig.conf"
	parsed := yaml.unmarshal(text)
	configuration(key, parsed)
}

configuration(_, parsed) if parsed.kind == "KubeProxyConfiguration"

configuration(key, parsed) if {
	key in {"config.conf", "config"}
	is_object(parsed)
}

violation contains {"path": "metricsBindAddress", "inside": inside, "message": message} if {
	some key, parsed in configurations
	message := complaint("metricsBindAddress", parsed.metricsBindAddress)
	inside := sprintf("data%s", [step(key)])
}

violation contains {"path": "metricsBindAddress", "fix": "127.0.0.1:10249", "message": message} if {
	input.object.kind == "KubeProxyConfiguration"
	message := complaint("metricsBindAddress", input.object.metricsBindAddress)
}

violation contains {"path": line_path, "message": message} if {
	message := complaint("--metrics-bind-address", flags.last(line, "metrics-bind-address").value)
}

# The default is the loopback address.
complaint(name, address) := sprintf("%s is %s: the metrics are readable from other machines", [name, address]) if {
	is_string(address)
	trim_space(address) != ""
	not local(trim_space(address))
}

local(address) if regex.match(`^localhost(:[0-9]*)?$`, lower(address))

local(address) if component.loopback(address)

local(address) if component.loopback(regex.replace(address, `:[0-9]*$`, ""))

step(key) := sprintf(".%s", [key]) if {
	not contains(key, ".")
} else := sprintf(`["%s"]`, [key])

not_evaluated contains "the ConfigMap contains no configuration of kube-proxy" if {
	config_map
	count(configurations) == 0
}
