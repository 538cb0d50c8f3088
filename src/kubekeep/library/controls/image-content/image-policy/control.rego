package kubekeep.controls.image_policy

violation contains {"path": path, "message": message} if {
	some number, requirement in input.object.policy.requirements
	requirement.status == "failed"
	path := sprintf("policy.requirements[%d]", [number])
	message := sprintf("%s: %s", [requirement.requirement, requirement.reason])
}

not_evaluated contains "--image-policy is not set" if not is_object(input.object.policy)

not_evaluated contains sprintf("%s: %s", [requirement.requirement, requirement.reason]) if {
	some requirement in input.object.policy.requirements
	requirement.status == "notEvaluated"
}
