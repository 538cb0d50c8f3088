package kubekeep.controls.exposed_remote_code_execution

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
	names := vulnerabilities.reports(container)[_].rce
	count(names) > 0
	message := sprintf("image %s has remote code execution vulnerabilities (%s) and is exposed by Service %s", [
		container.image,
		concat(", ", array.slice(names, 0, 3)),
		concat(", ", exposing),
	])
}

not_evaluated contains message if {
	count(exposing) > 0
	some container in containers
	message := vulnerabilities.unknown(container)
}
