package kubekeep.controls.authenticated_group_roles

import data.kubekeep.lib.rbac

everybody if {
	input.object.kind == "Group"
	input.object.name == "system:authenticated"
}

# ClusterRoles that every cluster binds to the group.
defaults := {"system:basic-user", "system:discovery", "system:public-info-viewer"}

violation contains {"path": path, "message": message} if {
	everybody
	not default_role
	some path in rbac.bound(input.object)
	message := sprintf("system:authenticated is bound to %s %s: every user and service account has its permissions", [
		rbac.binding.roleRef.kind,
		rbac.binding.roleRef.name,
	])
}

default_role if {
	rbac.binding.roleRef.kind == "ClusterRole"
	rbac.binding.roleRef.name in defaults
}

violation contains {"path": path, "message": rbac.message("change resources or read Secrets")} if {
	everybody
	default_role
	some path in rbac.evidence_in(changeable, changing) |
		rbac.evidence_unnamed({"": {"*", "secrets"}}, {"*", "get", "list", "watch"})
}

changing := {"*", "bind", "create", "delete", "deletecollection", "escalate", "impersonate", "patch", "update"}

# Permissions in the rules of the role, by API group.
changeable[group] contains resource if {
	rule := rbac.role.rules[_]
	group := rule.apiGroups[_]
	resource := rule.resources[_]
	not resource in reviews
}

# Review APIs: `create` on them returns a result and changes nothing.
reviews := {
	"localsubjectaccessreviews",
	"selfsubjectaccessreviews",
	"selfsubjectreviews",
	"selfsubjectrulesreviews",
	"subjectaccessreviews",
	"tokenreviews",
}
