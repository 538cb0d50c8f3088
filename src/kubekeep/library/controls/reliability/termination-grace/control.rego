package kubekeep.controls.termination_grace

violation contains {
	"path": sprintf("%s.terminationGracePeriodSeconds", [input.workload.path]),
	"delete": true,
	"message": "terminationGracePeriodSeconds is 0: containers are killed at once",
} if {
	input.workload.spec.terminationGracePeriodSeconds == 0
}
