package kubekeep.controls.deprecated_kubernetes_registry

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"fix": sprintf("registry.k8s.io/%s", [image]),
	"message": sprintf("container %v: image %s is from the frozen registry k8s.gcr.io", [
		workload.called(container),
		image,
	]),
} if {
	some container in input.workload.containers
	startswith(container.image, "k8s.gcr.io/")
	image := substring(container.image, count("k8s.gcr.io/"), -1)
}
