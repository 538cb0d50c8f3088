package kubekeep.controls.exposed_critical_vulnerabilities

import data.kubekeep.lib.exposure
import data.kubekeep.lib.vulnerabilities
import data.kubekeep.lib.workload

containers := [container |
	some container in input.workload.containers
	workload.serving(container)
	container.image != ""
]

exposing := [service.metadata.name |
	some service in exposure.services(exposure.namespace(input.object), input.workload.metadata.labels)
	exposure.outward(service)
]

violation contains {"path": vulnerabilities.evidence(container), "message": message} if {
	count(exposing) > 0
	some container in containers
	number := vulnerabilities.reports(container)[_].severities.critical
	message := sprintf("image %s has %d critical vulnerabilities and is exposed by Service %s", [
		container.image,
		number,
		concat(", ", exposing),
	])
}

not_evaluated contains message if {
	count(exposing) > 0
	some container in containers
	message := vulnerabilities.unknown(container)
}
