package kubekeep.controls.seccomp_runtime_default

import data.kubekeep.lib.workload

applies if not workload.windows

violation contains {
	"path": sprintf("%s.type", [workload.origin(container, "seccompProfile")]),
	"fix": "RuntimeDefault",
	"message": sprintf("container %v has no seccomp profile", [workload.called(container)]),
} if {
	some container in input.workload.containers
	object.get(container.effective, ["seccompProfile", "type"], "") in {"", null}
}

# A profile of the node's own may be as good, which its name does not tell; so no fix.
violation contains {
	"path": sprintf("%s.type", [workload.origin(container, "seccompProfile")]),
	"message": sprintf("container %v has the seccomp profile %s", [workload.called(container), type]),
} if {
	some container in input.workload.containers
	type := container.effective.seccompProfile.type
	not type in {"RuntimeDefault", "", null}
}
