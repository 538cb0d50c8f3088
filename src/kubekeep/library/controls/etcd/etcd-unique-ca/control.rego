package kubekeep.controls.etcd_unique_ca

import data.kubekeep.lib.component

members := component.processes("etcd")

servers := component.processes("kube-apiserver")

applies if count(members) > 0

applies if {
	count(servers) > 0
	count(all_members) > 0
}

violation contains {"path": setting.path, "message": message} if {
	some member in members
	not component.unread(member)
	some server in all_servers
	setting := shared(member, "trusted-ca-file", server, "client-ca-file")
	message := sprintf("etcd and the API server trust the same client CA: %s", [setting.value])
}

violation contains {"path": setting.path, "message": message} if {
	some server in servers
	some member in all_members
	not component.unread(member)
	setting := shared(server, "client-ca-file", member, "trusted-ca-file")
	message := sprintf("etcd and the API server trust the same client CA: %s", [setting.value])
}

# Setting of `process` with the same file as the setting of `other`.
shared(process, flag, other, other_flag) := setting if {
	setting := component.setting(process, flag)
	file(setting) == file(component.setting(other, other_flag))
	file(setting) != ""
}

file(setting) := regex.replace(trim_space(setting.value), `/+`, "/")

all_members := peers("etcd")

all_servers := peers("kube-apiserver")

# Processes of a program in all Pods of kube-system. `mentions` is a cheap filter: large clusters have thousands.
peers(program) := [component.process_of(named, program) |
	pod := input.cluster.objects.Pod["kube-system"][_]
	container := pod.spec.containers[_]
	mentions(container, program)
	component.runs(container, program)
	named := object.union(container, {"path": "containers"})
]

not_evaluated contains "no Pod in kube-system runs kube-apiserver: its client CA is unknown" if {
	count(members) > 0
	count(all_servers) == 0
}

not_evaluated contains reason if {
	some member in members
	reason := component.unread(member)
}

not_evaluated contains reason if {
	count(servers) > 0
	some member in all_members
	reason := component.unread(member)
}

mentions(container, program) if {
	container.name == program
} else if {
	contains(container.image, program)
} else if {
	contains(container.command[_], program)
} else if {
	contains(container.args[_], program)
}
