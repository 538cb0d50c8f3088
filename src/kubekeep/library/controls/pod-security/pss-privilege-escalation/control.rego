package kubekeep.controls.pss_privilege_escalation

violation contains {"path": sprintf("%s.securityContext.allowPrivilegeEscalation", [container.path]), "fix": false} if {
	some container in input.workload.containers
	not container.securityContext.allowPrivilegeEscalation == false
	not windows
}

# Only `os` exempts a pod of Windows (since 1.25): upstream takes no node selector for it.
windows if input.workload.spec.os.name == "windows"
