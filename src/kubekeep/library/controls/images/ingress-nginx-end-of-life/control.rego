package kubekeep.controls.ingress_nginx_end_of_life

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.image", [container.path]),
	"message": sprintf("container %v runs ingress-nginx, which is no longer maintained", [workload.called(container)]),
} if {
	some container in input.workload.containers
	retired(container)
}

# Names of the images of the ingress-nginx project, in any registry. The controller of F5, which is maintained, is
# `nginx/nginx-ingress`.
names := ["/ingress-nginx/controller", "/ingress-nginx-controller", "/nginx-ingress-controller"]

retired(container) if {
	some name in names
	contains(container.image, name)
}

# The program identifies an image with another name.
retired(container) if {
	some field in ["command", "args"]
	word := container[field][_]
	endswith(word, "/nginx-ingress-controller")
}
