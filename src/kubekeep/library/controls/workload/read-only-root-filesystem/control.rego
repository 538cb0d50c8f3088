package kubekeep.controls.read_only_root_filesystem

import data.kubekeep.lib.workload

# Not supported for Windows containers.
applies if not workload.windows

violation contains {
	"path": sprintf("%s.securityContext.readOnlyRootFilesystem", [container.path]),
	"fix": true,
	"message": sprintf("container %v: readOnlyRootFilesystem is not set to true", [workload.called(container)]),
} if {
	some container in input.workload.containers
	not container.securityContext.readOnlyRootFilesystem == true
}
