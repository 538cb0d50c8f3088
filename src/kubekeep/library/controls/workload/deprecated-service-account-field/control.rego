package kubekeep.controls.deprecated_service_account_field

violation contains {
	"path": sprintf("%s.serviceAccount", [input.workload.path]),
	"delete": true,
	"message": message,
} if {
	old != current
}

violation contains {
	"path": sprintf("%s.serviceAccountName", [input.workload.path]),
	"fix": old,
	"message": sprintf("the service account %v belongs here", [old]),
} if {
	old != current
	current == ""
}

old := input.workload.spec.serviceAccount if input.workload.spec.serviceAccount != ""

current := object.get(input.workload.spec, "serviceAccountName", "")

message := sprintf("serviceAccount, which is deprecated, says %v", [old]) if {
	current == ""
} else := sprintf("serviceAccount says %v, but serviceAccountName, which wins, says %v", [old, current])
