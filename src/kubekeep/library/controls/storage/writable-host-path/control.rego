package kubekeep.controls.writable_host_path

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.volumeMounts[%d].readOnly", [container.path, index]),
	"fix": true,
	"message": sprintf("container %v mounts the hostPath volume %v without readOnly: true", [
		workload.called(container),
		mount.name,
	]),
} if {
	some container in input.workload.containers
	some index
	mount := container.volumeMounts[index]
	workload.host_volume(mount.name)
	not mount.readOnly == true
}
