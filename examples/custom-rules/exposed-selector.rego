# @name Services of type LoadBalancer select a workload that says who owns it
# @baseScore 6
package armo_builtins

import rego.v1

deny contains response if {
	some service in input
	service.kind == "Service"
	service.spec.type == "LoadBalancer"
	some workload in input
	workload.kind == "Deployment"
	workload.metadata.namespace == service.metadata.namespace
	object.subset(workload.spec.template.metadata.labels, service.spec.selector)
	not workload.metadata.labels.owner
	response := {
		"alertMessage": sprintf("Service %v exposes it, and nobody owns it", [service.metadata.name]),
		"fixPaths": [{"path": "metadata.labels.owner", "value": "YOUR_TEAM"}],
		"alertObject": {"k8sApiObjects": [workload]},
	}
}
