package kubekeep.controls.pss_host_path_volumes

violation contains {"path": sprintf("%s.volumes[%d].hostPath", [input.workload.path, i])} if {
	some i, volume in input.workload.spec.volumes
	volume.hostPath != null
}
