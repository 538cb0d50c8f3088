package kubekeep.controls.pss_capabilities_restricted

violation contains {"path": sprintf("%s.securityContext.capabilities.drop", [container.path]), "fix": ["ALL"]} if {
	some container in input.workload.containers
	not "ALL" in container.securityContext.capabilities.drop
	not windows
}

violation contains {"path": sprintf("%s.securityContext.capabilities.add[%d]", [container.path, i]), "delete": true} if {
	some container in input.workload.containers
	some i
	container.securityContext.capabilities.add[i] != "NET_BIND_SERVICE"
	not windows
}

# Only `os` exempts a pod of Windows (since 1.25): upstream takes no node selector for it.
windows if input.workload.spec.os.name == "windows"
