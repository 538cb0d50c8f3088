# What containers mount of the volumes of their pod.
package kubekeep.lib.mounts

# Where containers mount the volume of that name, as files or as a block device.
places(volume) := [{"container": container.name, "path": sprintf("%s.%s[%d]", [container.path, field, index])} |
	some container in input.workload.containers
	some field in ["volumeMounts", "volumeDevices"]
	some index
	container[field][index].name == volume
]

# Volumes that are made from another object, alone or as one source of a projected volume: the names of volume
# and object. `field` is how a volume says what it is, `key` where the object's name is in it.
sources(field, key) := array.concat(
	[[volume.name, name] |
		volume := input.workload.spec.volumes[_]
		name := volume[field][key]
		is_string(name)
	],
	[[volume.name, name] |
		volume := input.workload.spec.volumes[_]
		name := volume.projected.sources[_][field].name
		is_string(name)
	],
)
