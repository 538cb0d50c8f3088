package kubekeep.controls.non_root_group

import data.kubekeep.lib.workload

# Does not apply to Windows.
applies if not workload.windows

# Without a group, the process has root's group, unless the image sets another.
violation contains {
	"path": origin.path,
	"fix": 1000,
	"message": sprintf("%s: runAsGroup is %s", [origin.subject, setting(container)]),
} if {
	some container in input.workload.containers
	object.get(container.effective, "runAsGroup", 0) == 0
	origin := workload.origin(container, "runAsGroup")
}

setting(container) := "0" if {
	container.effective.runAsGroup == 0
} else := "not set"
