package kubekeep.controls.pod_admission_policy

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

applies if input.object.kind == "ClusterDescribe"

plugins(server, flag) := [trim_space(name) | some name in split(flags.value(server, flag), ",")]

violation contains object.union(flags.replaced(setting, text), {"message": missing}) if {
	some server in servers
	flags.minor(server) < 25
	setting := flags.last(flags.words(server), "enable-admission-plugins")
	listed := [name | some name in plugins(server, "enable-admission-plugins"); name != ""]
	not "PodSecurityPolicy" in listed
	text := concat(",", array.concat(listed, ["PodSecurityPolicy"]))
}

missing := "--enable-admission-plugins does not contain PodSecurityPolicy"

violation contains object.union({"path": flags.end(server), "message": missing}, added(server)) if {
	some server in servers
	flags.minor(server) < 25
	not flags.value(server, "enable-admission-plugins")
}

added(server) := {"fix": "--enable-admission-plugins=PodSecurityPolicy"} if {
	flags.plain(server)
} else := {}

violation contains object.union(flags.replaced(setting, concat(",", kept)), {"message": message}) if {
	some server in servers
	disabled := plugins(server, "disable-admission-plugins")
	some name in [plugin(server)]
	name in disabled
	setting := flags.last(flags.words(server), "disable-admission-plugins")
	kept := [plugin_name | some plugin_name in disabled; plugin_name != name]
	message := sprintf("--disable-admission-plugins contains %s", [name])
}

plugin(server) := "PodSecurityPolicy" if {
	flags.minor(server) < 25
} else := "PodSecurity"

violation contains {"path": "", "message": "the EKS version is older than 1.13, the first with PodSecurityPolicy"} if {
	input.object.kind == "ClusterDescribe"
	cloud.provider == "eks"
	description.minor < 13
}

violation contains {"path": enabled.path, "message": "podSecurityPolicyConfig.enabled is not true"} if {
	input.object.kind == "ClusterDescribe"
	cloud.provider == "gke"
	description.minor < 25
	enabled := description.at(description.at(description.cluster, "podSecurityPolicyConfig"), "enabled")
	not description.yes(enabled.value)
}

not_evaluated contains "the description of the cluster has no version" if {
	input.object.kind == "ClusterDescribe"
	not description.minor
}
