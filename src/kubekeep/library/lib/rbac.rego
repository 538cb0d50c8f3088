# RBAC as a subject joined with one of its bindings and the role that it grants.
package kubekeep.lib.rbac

# Lists are iterated by index, because lists in files may be null, for which `some ... in` raises an error.

binding := input.object.relatedObjects[0]

role := input.object.relatedObjects[1]

# Rule entries that grant some of `verbs` on some of `resources` of the core group, with the subject and the role
# reference in the binding. Empty if no rule grants them.
evidence(resources, verbs) := evidence_in({"": resources}, verbs)

# The same for resources of several API groups, by group.
evidence_in(resources_by_group, verbs) := located(granting(role.rules, resources_by_group, verbs))

# The same without rules that are restricted by resourceNames.
evidence_unnamed(resources_by_group, verbs) := located(granting(unnamed(role), resources_by_group, verbs))

# Entries of the rules of a role, with the paths of the subject and the reference in the binding.
located(entries) := entries | bound(input.object) if {
	count(entries) > 0
} else := set()

# Paths of the subject and of the role reference in the binding.
bound(joined) := {path |
	subject := object.remove(joined, ["relatedObjects"])
	some at
	joined.relatedObjects[0].subjects[at] == subject
	path := sprintf("relatedObjects[0].subjects[%d]", [at])
} | {"relatedObjects[0].roleRef.name"}

# Entries of `rules`, by index in the role, that grant some of `verbs` on some of `resources_by_group`.
granting(rules, resources_by_group, verbs) := {path |
	rule := rules[index]
	allowed := {at | rule.verbs[at] in verbs}
	count(allowed) > 0
	reached := {[group, resource] |
		some name, resources in resources_by_group
		rule.apiGroups[group] in {name, "*"}
		rule.resources[resource] in resources
	}
	count(reached) > 0
	some path in entries(index, "verbs", allowed) |
		entries(index, "apiGroups", {at | some [at, _] in reached}) |
		entries(index, "resources", {at | some [_, at] in reached})
}

entries(index, field, positions) := {path |
	some at in positions
	path := sprintf("relatedObjects[1].rules[%d].%s[%d]", [index, field, at])
}

# Rules of a role without resourceNames, by index.
unnamed(granted_role) := {index: rule |
	rule := granted_role.rules[index]
	not names(rule)
}

# True if a rule is limited by resourceNames; an empty list does not limit.
names(rule) if count(rule.resourceNames) > 0

# Names to look for among cluster-scoped resources: a wildcard in a namespace does not grant them.
cluster_scoped(named, wildcards) := named | wildcards if {
	binding.kind == "ClusterRoleBinding"
} else := named

# Defined if the permissions of a subject are unknown: its role, or all roles aggregated into it, are not in the input.
# The verdict then names the role.
unknown_role := "the rules of the role are not in the input" if count(input.object.relatedObjects) == 1

# Violation of a subject with a permission, with the paths that grant it.
message(permission) := sprintf("%s %s can %s: bound to %s %s by %s %s", [
	input.object.kind,
	subject_name(input.object),
	permission,
	binding.roleRef.kind,
	binding.roleRef.name,
	binding.kind,
	binding.metadata.name,
])

# A service account without a namespace in a RoleBinding is in the namespace of the binding.
subject_name(subject) := sprintf("%s/%s", [subject.namespace, subject.name]) if {
	is_string(subject.namespace)
} else := sprintf("%s/%s", [binding.metadata.namespace, subject.name]) if {
	subject.kind == "ServiceAccount"
	is_string(binding.metadata.namespace)
} else := subject.name

# Resources that can be impersonated, with the extra fields in the rules of the role (`userextras/scopes`, `*/scopes`).
# RBAC has no wildcard `userextras/*`.
identities(joined) := {
	"": {"*", "groups", "serviceaccounts", "users"},
	"authentication.k8s.io": {"uids"} | {resource |
		resource := joined.relatedObjects[1].rules[_].resources[_]
		regex.match(`^(userextras|\*)/[^*]`, resource)
	},
}
