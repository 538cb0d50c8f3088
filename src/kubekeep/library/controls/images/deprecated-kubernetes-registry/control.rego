package kubekeep.controls.deprecated_kubernetes_registry

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"fix": sprintf("registry.k8s.io/%s", [image]),
	"message": sprintf("container %v runs %s of the frozen registry k8s.gcr.io", [container.name, image]),
} if {
	some container in input.workload.containers
	startswith(container.image, "k8s.gcr.io/")
	image := substring(container.image, count("k8s.gcr.io/"), -1)
}
