package kubekeep.controls.non_root_container

import data.kubekeep.lib.workload

violation contains {
	"path": origin.path,
	"fix": 1000,
	"message": sprintf("%s: runAsUser is 0", [origin.subject]),
} if {
	some container in input.workload.containers
	container.effective.runAsUser == 0
	origin := workload.origin(container, "runAsUser")
}

# The fix of the user would leave the setting that allows root.
violation contains {
	"path": origin.path,
	"fix": true,
	"message": sprintf("%s: runAsNonRoot is false", [origin.subject]),
} if {
	some container in input.workload.containers
	container.effective.runAsUser == 0
	container.effective.runAsNonRoot == false
	origin := workload.origin(container, "runAsNonRoot")
}

violation contains {
	"path": sprintf("%s.securityContext.runAsNonRoot", [container.path]),
	"fix": true,
	"message": sprintf("container %v: runAsNonRoot is not set to true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	not container.effective.runAsNonRoot == true
	not names_user(container)
}

violation contains {
	"path": sprintf("%s.securityContext.windowsOptions.runAsUserName", [container.path]),
	"message": sprintf("container %v: runAsUserName is %s", [workload.called(container), name]),
} if {
	workload.windows
	some container in input.workload.containers
	name := user_name(container)
	lower(name) in administrators
}

administrators := {"containeradministrator", `nt authority\system`}

# True if the manifest sets the user; another violation checks that it is not root.
names_user(container) if {
	not workload.windows
	is_number(container.effective.runAsUser)
}

names_user(container) if {
	workload.windows
	user_name(container)
}

user_name(container) := name if {
	name := container.securityContext.windowsOptions.runAsUserName
	name != null
} else := name if {
	name := input.workload.spec.securityContext.windowsOptions.runAsUserName
	name != null
}
