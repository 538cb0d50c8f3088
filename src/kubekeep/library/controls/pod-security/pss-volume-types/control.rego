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

violation contains {
	"path": sprintf("%s.volumes[%d].%s", [input.workload.path, i, source]),
	"message": sprintf("volume %v has the type %s, which is not allowed", [object.get(volume, "name", i), source]),
} if {
	some i, volume in input.workload.spec.volumes
	not is_allowed(volume)
	some source, value in volume
	source != "name"
	value != null
}

is_allowed(volume) if {
	some source, value in volume
	source in allowed
	value != null
}
