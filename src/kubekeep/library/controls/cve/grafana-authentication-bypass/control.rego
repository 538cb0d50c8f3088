package kubekeep.controls.grafana_authentication_bypass

import data.kubekeep.lib.image

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in input.workload.containers
	grafana(container)
	release := image.release(container.image)
	release >= [9, 2, 0]
	release < [9, 2, 4]
	message := sprintf("image %s: this version of Grafana is affected by CVE-2022-39328", [container.image])
}

grafana(container) if {
	container.type == "container"
	contains(container.image, "grafana")
	image.called(container.image, {"grafana", "grafana-oss", "grafana-enterprise"})
}

not_evaluated contains reason if {
	some container in input.workload.containers
	grafana(container)
	image.anonymous(container.image)
	reason := sprintf("image %s has a digest and no tag: the version of Grafana is unknown", [container.image])
}
