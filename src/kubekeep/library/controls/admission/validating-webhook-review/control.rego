package kubekeep.controls.validating_webhook_review

# Whether a webhook belongs here needs a manual review, so each configuration is reported.
violation contains {"path": "", "message": message} if {
	names := [sprintf("%v", [object.get(webhook, "name", "(no name)")]) |
		webhook := input.object.webhooks[_]
	]
	count(names) > 0
	message := sprintf("review the operator and the rules of the validating webhooks: %s", [concat(", ", names)])
}
