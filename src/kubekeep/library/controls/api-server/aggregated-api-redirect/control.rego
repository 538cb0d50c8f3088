package kubekeep.controls.aggregated_api_redirect

import data.kubekeep.lib.hostfile
import data.kubekeep.lib.version

service := input.object.spec.service

served if count(input.cluster.named.Service[service.namespace][service.name]) > 0

versions := [text |
	document := input.cluster.objects["apiserverinfo.kubescape.cloud/APIServerInfo"][_][_]
	text := document[hostfile.section(document)].gitVersion
]

releases := [release |
	some text in versions
	release := version.numbers(text)
]

is_remote if object.get(input.object, ["spec", "service"], null) != null

violation contains {"path": "spec.service", "message": message} if {
	served
	some text in versions
	affected(version.numbers(text))
	message := sprintf("API server %s forwards redirects of Service %s/%s (CVE-2022-3172)", [
		text,
		service.namespace,
		service.name,
	])
}

affected(release) if release < [1, 22, 14]

affected(release) if {
	some first, fixed in {"1.23": [1, 23, 11], "1.24": [1, 24, 5], "1.25": [1, 25, 1]}
	sprintf("%d.%d", [release[0], release[1]]) == first
	release < fixed
}

not_evaluated contains "the version of the API server is not in the input" if {
	is_remote
	count(releases) == 0
}

not_evaluated contains sprintf("the input does not contain Service %v/%v", [service.namespace, service.name]) if {
	is_remote
	not served
	some text in versions
	affected(version.numbers(text))
}
