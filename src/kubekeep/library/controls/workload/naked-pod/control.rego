package kubekeep.controls.naked_pod

import data.kubekeep.lib.hook

applies if not hook.runs_once(input.object)

violation contains {"path": "", "message": "the Pod has no owner that recreates it"} if {
	not owned
	has_image
}

not_evaluated contains "no container of the Pod has an image: it is a patch of another Pod" if {
	not owned
	not has_image
}

has_image if input.workload.containers[_].image

owned if input.object.metadata.ownerReferences[_]

# The kubelet restarts static pods; the API server only mirrors them.
owned if input.object.metadata.annotations["kubernetes.io/config.mirror"]
