package kubekeep.controls.pss_volume_types

allowed := {
	"configMap",
	"csi",
	"downwardAPI",
	"emptyDir",
	"ephemeral",
	"image",
	"persistentVolumeClaim",
	"projected",
	"secret",
}

violation contains {"path": sprintf("%s.volumes[%d].%s", [input.workload.path, i, source])} if {
	some i, volume in input.workload.spec.volumes
	not is_allowed(volume)
	some source, value in volume
	source != "name"
	value != null
}

# The API server makes an emptyDir of a volume without a source, but the policy reads what is written.
violation contains {"path": sprintf("%s.volumes[%d].emptyDir", [input.workload.path, i]), "fix": {}} if {
	some i, volume in input.workload.spec.volumes
	not has_source(volume)
}

is_allowed(volume) if {
	some source, value in volume
	source in allowed
	value != null
}

has_source(volume) if {
	some source, value in volume
	source != "name"
	value != null
}
