package kubekeep.controls.unauthenticated_service

import data.kubekeep.lib.exposure

# The operator that scans Services has used several kinds for its results.
kinds := [sprintf("%s/%s", [group, kind]) |
	some group in ["kubescape.io", "servicesscanresult.kubescape.io"]
	some kind in ["ServiceScanResult", "ServicesScanResult", "servicesscanresults"]
]

services := exposure.services(exposure.namespace(input.object), input.workload.metadata.labels)

violation contains {"path": "", "message": message} if {
	some service in services
	port := scanned(service)[_].spec.ports[_]
	port.authenticated == false
	message := sprintf("Service %s accepts requests on port %v without authentication", [
		service.metadata.name,
		object.get(port, "port", "?"),
	])
}

not_evaluated contains message if {
	some service in services
	count(scanned(service)) == 0
	message := sprintf("the input has no ServiceScanResult for Service %s: scan it and add the result", [
		service.metadata.name,
	])
}

# A result has the name and the namespace of its Service.
scanned(service) := [result |
	some kind in kinds
	result := input.cluster.named[kind][exposure.namespace(service)][service.metadata.name][_]
]
