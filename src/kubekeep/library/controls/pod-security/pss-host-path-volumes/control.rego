package kubekeep.controls.pss_host_path_volumes

violation contains {"path": sprintf("%s.volumes[%d].hostPath", [input.workload.path, i]), "message": message} if {
	some i, volume in input.workload.spec.volumes
	volume.hostPath != null
	message := sprintf("volume %v: hostPath is set", [object.get(volume, "name", i)])
}
