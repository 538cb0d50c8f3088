package kubekeep.controls.bound_service_accounts

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("access the Kubernetes API")} if {
	account
	count(rbac.role.rules) > 0
	some path in rbac.bound(input.object)
}

account if input.object.kind == "ServiceAccount"

account if {
	input.object.kind == "User"
	startswith(input.object.name, "system:serviceaccount:")
}

account if {
	input.object.kind == "Group"
	regex.match(`^system:serviceaccounts(:|$)`, input.object.name)
}

not_evaluated contains rbac.unknown_role if account
