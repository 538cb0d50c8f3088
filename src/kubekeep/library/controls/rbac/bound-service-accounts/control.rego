package kubekeep.controls.bound_service_accounts

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("access the Kubernetes API")} if {
	account
	allows_something(input.object.relatedObjects[1])
	some path in rbac.bound(input.object)
}

allows_something(role) if {
	count(role.rules) > 0
} else if {
	object.get(role, "aggregationRule", null) != null
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
