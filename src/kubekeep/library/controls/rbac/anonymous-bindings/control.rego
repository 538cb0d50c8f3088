package kubekeep.controls.anonymous_bindings

violation contains {"path": path, "delete": true, "message": message} if {
	some index
	name := input.object.subjects[index].name
	name in {"system:anonymous", "system:unauthenticated"}
	path := sprintf("subjects[%d]", [index])
	message := sprintf("%s is bound to %s %s: requests need no authentication", [
		name,
		input.object.roleRef.kind,
		input.object.roleRef.name,
	])
}
