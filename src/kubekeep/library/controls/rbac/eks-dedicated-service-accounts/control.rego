package kubekeep.controls.eks_dedicated_service_accounts

import data.kubekeep.lib.accounts

applies if input.object.kind != "ServiceAccount"

applies if input.object.metadata.name == "default"

violation contains {"path": path, "message": message} if {
	some index
	subject := input.object.subjects[index]
	accounts.named(subject, "default")
	path := sprintf("subjects[%d]", [index])
	message := sprintf("the default service account is bound to %s %s: all pods that name no account have it", [
		input.object.roleRef.kind,
		input.object.roleRef.name,
	])
}

violation contains {"path": "automountServiceAccountToken", "message": message} if {
	input.object.kind == "ServiceAccount"
	object.get(input.object, "automountServiceAccountToken", null) != false
	message := "the default service account gives its token to all pods that name no account"
}

violation contains {"path": "metadata.annotations[\"eks.amazonaws.com/role-arn\"]", "message": message} if {
	input.object.kind == "ServiceAccount"
	arn := input.object.metadata.annotations["eks.amazonaws.com/role-arn"]
	message := sprintf("the default service account has the IAM role %s: all pods that name no account have it", [arn])
}
