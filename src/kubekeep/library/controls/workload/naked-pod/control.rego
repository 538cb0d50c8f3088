package kubekeep.controls.naked_pod

import data.kubekeep.lib.hook

applies if not hook.runs_once(input.object)

violation contains {"path": "", "message": "the Pod has no owner that recreates it"} if not owned

owned if input.object.metadata.ownerReferences[_]

# The kubelet restarts static pods; the API server only mirrors them.
owned if input.object.metadata.annotations["kubernetes.io/config.mirror"]
