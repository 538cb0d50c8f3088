# @name Services have a label of their own
# @baseScore 0
package rules

deny contains response if {
	some service in input
	service.kind == "Service"
	not service.metadata.labels.own
	response := {
		"alertMessage": "it has no label",
		"failedPaths": [],
		"fixPaths": [{"path": "metadata.labels.own", "value": "YOUR_LABEL"}],
		"alertObject": {"k8sApiObjects": [service]},
	}
}
