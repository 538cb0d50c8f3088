package kubekeep.controls.pss_capabilities

import data.kubekeep.lib.workload

# Names are compared as written: the API accepts a CAP_ prefix and lower case, but the standard allows neither.
defaults := {
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, i]),
	"delete": true,
	"message": sprintf("container %v: capabilities.add contains %v", [workload.called(container), capability]),
} if {
	some container in input.workload.containers
	some i
	capability := container.securityContext.capabilities.add[i]
	not capability in defaults
}
