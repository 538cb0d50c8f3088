# Images that a pod uses.
package kubekeep.lib.pod_images

import data.kubekeep.lib.workload

# Images that the pod uses: those of its containers, and those that it mounts as volumes (Kubernetes docs, Image volumes).
used contains {
	"reference": container.image,
	"path": sprintf("%s.image", [container.path]),
	"user": sprintf("container %v", [workload.called(container)]),
} if {
	some container in input.workload.containers
	trim_space(container.image) != ""
}

used contains {
	"reference": reference,
	"path": sprintf("%s.volumes[%d].image.reference", [input.workload.path, index]),
	"user": sprintf("volume %v", [object.get(volume, "name", index)]),
} if {
	some index
	volume := input.workload.spec.volumes[index]
	reference := volume.image.reference
	trim_space(reference) != ""
}
