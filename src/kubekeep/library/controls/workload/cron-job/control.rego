package kubekeep.controls.cron_job

violation contains {"path": "", "message": message} if {
	not input.object.spec.suspend == true
}

message := sprintf("runs by the schedule %v", [schedule]) if {
	schedule := input.object.spec.schedule
} else := "runs by a schedule"
