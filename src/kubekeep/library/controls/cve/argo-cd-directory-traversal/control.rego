package kubekeep.controls.argo_cd_directory_traversal

import data.kubekeep.lib.image

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in input.workload.containers
	argo_cd(container)
	vulnerable(container.image)
	message := sprintf("image %s: this version of Argo CD is affected by CVE-2022-24348", [container.image])
}

# Init containers only copy the program from the image.
argo_cd(container) if {
	container.type == "container"
	contains(container.image, "argo")
	image.called(container.image, {"argocd", "argo-cd"})
}

vulnerable(reference) if image.release(reference) < [2, 1, 9]

vulnerable(reference) if {
	release := image.release(reference)
	release >= [2, 2, 0]
	release < [2, 2, 4]
}

vulnerable(reference) if regex.match(`^v?2\.3\.0-rc[1-3]$`, image.tag(reference))

not_evaluated contains reason if {
	some container in input.workload.containers
	argo_cd(container)
	image.anonymous(container.image)
	reason := sprintf("image %s has a digest and no tag: the version of Argo CD is unknown", [container.image])
}
