package kubekeep.controls.security_context

import data.kubekeep.lib.workload

applies if not workload.windows

violation contains {
	"path": sprintf("%s.securityContext.%s", [container.path, field]),
	"fix": false,
	"message": sprintf("container %v: %s", [workload.called(container), setting(container, field)]),
} if {
	some container in input.workload.containers
	not container.effective.allowPrivilegeEscalation == false
	some field in ["allowPrivilegeEscalation", "privileged"]
	not container.effective[field] == false
}

# The API server rejects it together with `allowPrivilegeEscalation: false`.
violation contains {
	"path": sprintf("%s.securityContext.privileged", [container.path]),
	"fix": false,
	"message": sprintf("container %v: privileged is true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	container.effective.allowPrivilegeEscalation == false
	container.effective.privileged == true
}

violation contains {
	"path": sprintf("%s.securityContext.readOnlyRootFilesystem", [container.path]),
	"fix": true,
	"message": sprintf("container %v: readOnlyRootFilesystem is not set to true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	not container.effective.readOnlyRootFilesystem == true
}

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
	not is_number(container.effective.runAsUser)
}

# Without a group, the process has root's group, unless the image sets another.
violation contains {
	"path": origin.path,
	"fix": 1000,
	"message": sprintf("%s: runAsGroup is not set or 0", [origin.subject]),
} if {
	some container in input.workload.containers
	object.get(container.effective, "runAsGroup", 0) == 0
	origin := workload.origin(container, "runAsGroup")
}

violation contains {
	"path": sprintf("%s.securityContext.capabilities.drop[%d]", [container.path, count(dropped)]),
	"fix": "NET_RAW",
	"message": sprintf("container %v: capabilities.drop does not contain NET_RAW", [workload.called(container)]),
} if {
	some container in input.workload.containers
	dropped := [name | name := container.effective.capabilities.drop[_]]
	not drops_net_raw(dropped)
}

violation contains {
	"path": sprintf("%s.securityContext.seccompProfile", [container.path]),
	"fix": {"type": "RuntimeDefault"},
	"message": sprintf("container %v: seccompProfile.type is not RuntimeDefault or Localhost", [
		workload.called(container),
	]),
} if {
	some container in input.workload.containers
	not filtered(container)
}

violation contains {
	"path": sprintf("%s.securityContext.seLinuxOptions", [container.path]),
	"message": sprintf("container %v has no AppArmor or SELinux profile", [workload.called(container)]),
} if {
	some container in input.workload.containers
	not confined(container)
}

# fsGroup exists only in the security context of the pod: it is required if the pod has one.
violation contains {
	"path": sprintf("%s.securityContext.%s", [input.workload.path, field]),
	"fix": group.value,
	"message": group.message,
} if {
	context := input.workload.spec.securityContext
	count([value | some value in context; value != null]) > 0
	some field, group in volume_group
	object.get(context, field, null) == null
}

volume_group := {
	"fsGroup": {"value": 1000, "message": "fsGroup is not set"},
	"fsGroupChangePolicy": {
		"value": "OnRootMismatch",
		"message": "fsGroupChangePolicy is not set",
	},
}

setting(container, field) := sprintf("%s is true", [field]) if {
	container.effective[field] == true
} else := sprintf("%s is not set to false", [field])

filtered(container) if container.effective.seccompProfile.type in {"RuntimeDefault", "Localhost"}

drops_net_raw(names) if {
	name := names[_]
	is_string(name)
	workload.capability(name) in {"NET_RAW", "ALL"}
}

confined(container) if {
	count(container.effective.seLinuxOptions) > 0
} else if {
	container.effective.appArmorProfile.type in {"RuntimeDefault", "Localhost"}
} else if {
	# AppArmor annotations, used before 1.30.
	not container.effective.appArmorProfile
	key := sprintf("container.apparmor.security.beta.kubernetes.io/%s", [container.name])
	profile := input.workload.metadata.annotations[key]
	not profile in {"unconfined", ""}
}
