package kubekeep.controls.seccomp_runtime_default

import data.kubekeep.lib.workload

applies if not workload.windows

violation contains {
	"path": sprintf("%s.type", [origin.path]),
	"fix": "RuntimeDefault",
	"message": sprintf("%s: seccompProfile.type is not set", [origin.subject]),
} if {
	some container in input.workload.containers
	object.get(container.effective, ["seccompProfile", "type"], "") in {"", null}
	origin := workload.origin(container, "seccompProfile")
}

# A profile of the node may be as strict, which its name does not show: no fix is proposed.
violation contains {
	"path": sprintf("%s.type", [origin.path]),
	"message": sprintf("%s: seccompProfile.type is %s, expected RuntimeDefault", [origin.subject, type]),
} if {
	some container in input.workload.containers
	type := container.effective.seccompProfile.type
	not type in {"RuntimeDefault", "", null}
	origin := workload.origin(container, "seccompProfile")
}
