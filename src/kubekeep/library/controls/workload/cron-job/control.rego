package kubekeep.controls.cron_job

violation contains {"path": "", "message": message} if {
	not input.object.spec.suspend == true
}

message := sprintf("suspend is not true: the CronJob runs on the schedule %v", [schedule]) if {
	schedule := input.object.spec.schedule
} else := "suspend is not true: the CronJob runs on a schedule"
