package kubekeep.controls.validating_webhook_review

# A configuration does not show if its webhooks are required: each one is reported for a manual review.
violation contains {"path": "", "message": message} if {
	names := [sprintf("%v", [object.get(webhook, "name", "(no name)")]) |
		webhook := input.object.webhooks[_]
	]
	count(names) > 0
	message := sprintf("review the operator and the rules of the validating webhooks: %s", [concat(", ", names)])
}
