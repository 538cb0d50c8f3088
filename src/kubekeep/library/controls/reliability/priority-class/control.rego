package kubekeep.controls.priority_class

violation contains {"path": sprintf("%s.priorityClassName", [input.workload.path]), "message": message} if {
	object.get(input.workload.spec, "priorityClassName", "") in {"", null}
	not has_default
	message := "priorityClassName is not set"
}

has_default if {
	some class in input.cluster.objects.PriorityClass["default"]
	class.globalDefault == true
}
