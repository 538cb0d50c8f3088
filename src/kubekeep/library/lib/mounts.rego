# Volumes that containers mount.
package kubekeep.lib.mounts

import data.kubekeep.lib.workload

# Mounts of a volume in containers, as files or as a block device.
volume_mounts(volume) := [{"container": workload.called(container), "path": path} |
	some container in input.workload.containers
	some field in ["volumeMounts", "volumeDevices"]
	some index
	container[field][index].name == volume
	path := sprintf("%s.%s[%d]", [container.path, field, index])
]

# Volumes with another object as their source, also in projected volumes: names of the volume and of the object.
# `field` is the type of the volume source, `key` its field with the name of the object.
sources(field, key) := array.concat(
	[[from, name] |
		volume := input.workload.spec.volumes[_]
		from := volume.name
		name := volume[field][key]
		is_string(name)
	],
	[[from, name] |
		volume := input.workload.spec.volumes[_]
		from := volume.name
		name := volume.projected.sources[_][field].name
		is_string(name)
	],
)

missing(kind, name) := sprintf("the input does not contain the mounted %s %s", [kind, name])
