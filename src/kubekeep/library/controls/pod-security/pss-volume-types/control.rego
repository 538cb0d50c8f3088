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

# The API server turns a volume without a source into an emptyDir, but the policy evaluates the object as written.
violation contains {
	"path": sprintf("%s.volumes[%d].emptyDir", [input.workload.path, i]),
	"fix": {},
	"message": sprintf("volume %v has no type", [object.get(volume, "name", i)]),
} if {
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
