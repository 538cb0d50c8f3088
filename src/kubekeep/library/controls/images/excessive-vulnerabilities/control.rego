package kubekeep.controls.excessive_vulnerabilities

import data.kubekeep.lib.vulnerabilities

limits := {
	"critical": to_number(input.params.max_critical_vulnerabilities[0]),
	"high": to_number(input.params.max_high_vulnerabilities[0]),
}

violation contains {"path": vulnerabilities.evidence(container), "message": message} if {
	some container in input.workload.containers
	report := vulnerabilities.reports(container)[_]
	some severity, limit in limits
	number := report.severities[severity]
	number > limit
	message := sprintf("image %s has %d %s vulnerabilities, more than %d", [container.image, number, severity, limit])
}

not_evaluated contains vulnerabilities.unknown(container) if {
	some container in input.workload.containers
	container.image != ""
}
