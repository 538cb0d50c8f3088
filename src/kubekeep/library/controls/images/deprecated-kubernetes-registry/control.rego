package kubekeep.controls.deprecated_kubernetes_registry

import data.kubekeep.lib.pod_images

violation contains {
	"path": used.path,
	"fix": sprintf("registry.k8s.io/%s", [image]),
	"message": sprintf("%s: image %s is from the frozen registry k8s.gcr.io", [used.user, image]),
} if {
	some used in pod_images.used
	startswith(used.reference, "k8s.gcr.io/")
	image := substring(used.reference, count("k8s.gcr.io/"), -1)
}
