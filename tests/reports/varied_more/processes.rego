# @name Nothing sees the processes of its node
# @baseScore 9.5
package rules

deny contains response if {
	some workload in input
	workload.spec.template.spec.hostPID
	response := {
		"alertMessage": "it sees all processes",
		"failedPaths": ["spec.template.spec.hostPID"],
		"alertObject": {"k8sApiObjects": [workload]},
	}
}
