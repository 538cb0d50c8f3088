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

# Pods get the directory through a claim.
violation contains {"path": "spec.hostPath", "message": message} if {
	input.object.kind == "PersistentVolume"
	volume := input.object.spec
	volume.hostPath != null
	message := sprintf("hostPath.path is %v: pods that mount the claim of the volume get this directory of their node", [
		host_path(volume),
	])
}

host_path(volume) := path if {
	path := volume.hostPath.path
} else := "not set"
