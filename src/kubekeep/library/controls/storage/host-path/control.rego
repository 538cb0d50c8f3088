package kubekeep.controls.host_path

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.volumes[%d]", [input.workload.path, index]),
	"delete": true,
	"message": sprintf("volume %v: hostPath.path is %v", [volume.name, host_path(volume)]),
} if {
	some index
	volume := input.workload.spec.volumes[index]
	workload.host_volume(volume.name)
}

violation contains {
	"path": sprintf("%s.volumeMounts[%d]", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v mounts the hostPath volume %v", [
		workload.called(container),
		mount.name,
	]),
} if {
	some container in input.workload.containers
	some index
	mount := container.volumeMounts[index]
	workload.host_volume(mount.name)
}

host_path(volume) := path if {
	path := volume.hostPath.path
} else := "not set"
