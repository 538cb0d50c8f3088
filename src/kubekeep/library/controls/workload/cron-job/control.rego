package kubekeep.controls.cron_job

violation contains {"path": "", "message": sprintf("runs by the schedule %v", [input.object.spec.schedule])} if {
	not input.object.spec.suspend == true
}
