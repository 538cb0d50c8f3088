package kubekeep.controls.image_policy

violation contains {"path": path, "message": message} if {
	some number, requirement in input.object.policy.requirements
	requirement.status == "failed"
	path := sprintf("policy.requirements[%d]", [number])
	message := sprintf("%s: %s", [requirement.requirement, requirement.reason])
}

declined contains "no policy was given: use --image-policy FILE" if not is_object(input.object.policy)

declined contains sprintf("%s: %s", [requirement.requirement, requirement.reason]) if {
	some requirement in input.object.policy.requirements
	requirement.status == "notEvaluated"
}
