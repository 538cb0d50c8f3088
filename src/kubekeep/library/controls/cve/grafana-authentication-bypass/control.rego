package kubekeep.controls.grafana_authentication_bypass

import data.kubekeep.lib.image

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in input.workload.containers
	grafana(container)
	release := image.release(container.image)
	release >= [9, 2, 0]
	release < [9, 2, 4]
	message := sprintf("%s is a release of Grafana that CVE-2022-39328 affects", [container.image])
}

grafana(container) if {
	container.type == "container"
	contains(container.image, "grafana")
	image.called(container.image, {"grafana", "grafana-oss", "grafana-enterprise"})
}

declined contains reason if {
	some container in input.workload.containers
	grafana(container)
	image.anonymous(container.image)
	reason := sprintf("%s does not tell the release of Grafana", [container.image])
}
