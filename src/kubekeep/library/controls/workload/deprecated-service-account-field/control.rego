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
	"message": sprintf("serviceAccountName is not set: move %v from serviceAccount to this field", [old]),
} if {
	old != current
	current == ""
}

old := input.workload.spec.serviceAccount if input.workload.spec.serviceAccount != ""

current := object.get(input.workload.spec, "serviceAccountName", "")

message := sprintf("serviceAccount is %v: the field is deprecated, use serviceAccountName", [old]) if {
	current == ""
} else := sprintf("serviceAccount is %v, but serviceAccountName is %v and takes precedence", [old, current])
