package kubekeep.controls.authenticated_group_roles

import data.kubekeep.lib.rbac

everybody if {
	input.object.kind == "Group"
	input.object.name == "system:authenticated"
}

violation contains {"path": path, "message": rbac.message("change resources or read Secrets")} if {
	everybody
	some path in rbac.evidence_in(changeable, changing) |
		rbac.evidence_unnamed({"": {"*", "secrets"}}, {"*", "get", "list", "watch"})
}

changing := {"*", "bind", "create", "delete", "deletecollection", "escalate", "impersonate", "patch", "update"}

# Permissions in the rules of the role, by API group.
changeable[group] contains resource if {
	rule := input.object.relatedObjects[1].rules[_]
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
