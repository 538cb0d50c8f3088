package kubekeep.controls.deprecated_kubernetes_registry

import data.kubekeep.lib.workload

violation contains {
	"path": used.path,
	"fix": sprintf("registry.k8s.io/%s", [image]),
	"message": sprintf("%s: image %s is from the frozen registry k8s.gcr.io", [used.user, image]),
} if {
	some used in workload.images
	startswith(used.reference, "k8s.gcr.io/")
	image := substring(used.reference, count("k8s.gcr.io/"), -1)
}
