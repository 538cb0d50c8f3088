package kubekeep.controls.pod_admission_policy

import data.kubekeep.lib.cloud
import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

applies if cloud.provider

plugins(server, flag) := [trim_space(name) | some name in split(flags.value(server, flag), ",")]

violation contains flags.replaced(setting, concat(",", array.concat(listed, ["PodSecurityPolicy"]))) if {
	some server in servers
	flags.minor(server) < 25
	setting := flags.last(flags.words(server), "enable-admission-plugins")
	listed := [name | some name in plugins(server, "enable-admission-plugins"); name != ""]
	not "PodSecurityPolicy" in listed
}

violation contains object.union({"path": flags.end(server)}, added(server)) if {
	some server in servers
	flags.minor(server) < 25
	not flags.value(server, "enable-admission-plugins")
}

added(server) := {"fix": "--enable-admission-plugins=PodSecurityPolicy"} if {
	flags.plain(server)
} else := {}

violation contains flags.replaced(setting, concat(",", kept)) if {
	some server in servers
	disabled := plugins(server, "disable-admission-plugins")
	some name in [plugin(server)]
	name in disabled
	setting := flags.last(flags.words(server), "disable-admission-plugins")
	kept := [item | some item in disabled; item != name]
}

plugin(server) := "PodSecurityPolicy" if {
	flags.minor(server) < 25
} else := "PodSecurity"

violation contains {"path": "", "message": "EKS has a pod security policy from 1.13 on only"} if {
	cloud.provider == "eks"
	cloud.minor < 13
}

violation contains {"path": "data.pod_security_policy_config.enabled", "message": "PodSecurityPolicy is not enabled"} if {
	cloud.provider == "gke"
	cloud.minor < 25
	config := cloud.any_of(input.object.data, ["pod_security_policy_config", "podSecurityPolicyConfig"])
	object.get(config, "enabled", false) != true
}

declined contains "the description of the cluster does not tell its version" if {
	cloud.provider
	not cloud.minor
}
