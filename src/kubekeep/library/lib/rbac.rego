# RBAC as a subject joined with one of its bindings and the role that it grants, or as a role that no binding refers to.
package kubekeep.lib.rbac

import data.kubekeep.lib.identity

# Lists are iterated by index, because lists in files may be null, for which `some ... in` raises an error.

binding := input.object.relatedObjects[0]

role := input.object.relatedObjects[1] if {
	input.object.relatedObjects
} else := input.object if not input.object.relatedObjects

# True for what rules about permissions evaluate: each bound subject, and each role that no binding of the input refers
# to. A bound role has no verdict of its own, because its subjects have one.
evaluated if {
	input.object.relatedObjects
} else if unbound

unbound if {
	input.object.kind in {"Role", "ClusterRole"}
	not input.object.relatedObjects
	not built_in(input.object)

	# The rules of an aggregated role are those of other roles, which are evaluated.
	not input.object.aggregationRule
	key := sprintf("%s/%s", [input.object.kind, input.object.metadata.name])
	not input.cluster.grants.roles[identity.namespace_of(input.object)][key]
}

# Roles of every cluster, which the API server restores after a change.
built_in(object) if {
	object.metadata.labels["kubernetes.io/bootstrapping"] == "rbac-defaults"
	regex.match(`^(system:.*|admin|edit|view)$`, object.metadata.name)
} else if {
	object.kind == "ClusterRole"
	object.metadata.name == "cluster-admin"
}

# A role that no binding of the input refers to is one level less severe.
severity_change := -3 if {
	unbound
} else := 0

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

# Paths of the subject and of the role reference in the binding; none for a role that is not bound.
bound(joined) := {path |
	subject := object.remove(joined, ["relatedObjects"])
	# A binding in a file may leave out the namespace of an account, which the join states.
	some at
	object.union({"namespace": object.get(subject, "namespace", null)}, joined.relatedObjects[0].subjects[at]) == object.union({"namespace": null}, subject)
	path := sprintf("relatedObjects[0].subjects[%d]", [at])
} | {"relatedObjects[0].roleRef.name"} if {
	joined.relatedObjects
} else := set()

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

# Paths of the entries at some positions of a field of a rule.
entries(index, field, positions) := {path |
	some at in positions
	path := sprintf("%srules[%d].%s[%d]", [role_path, index, field, at])
}

role_path := "relatedObjects[1]." if {
	input.object.relatedObjects
} else := ""

# Rules of a role without resourceNames, by index.
unnamed(granted_role) := {index: rule |
	rule := granted_role.rules[index]
	not names(rule)
}

# True if a rule is limited by resourceNames; an empty list does not limit.
names(rule) if count(rule.resourceNames) > 0

# Names to look for among cluster-scoped resources; none if the role applies to one namespace, which contains none of
# them. A ClusterRole without a binding could be bound in the whole cluster.
cluster_scoped(names_of_resources) := names_of_resources if {
	cluster_wide
} else := set()

cluster_wide if binding.kind == "ClusterRoleBinding"

cluster_wide if {
	unbound
	input.object.kind == "ClusterRole"
}

# Defined if the permissions of a subject are unknown: its role, or all roles aggregated into it, are not in the input.
# The verdict then names the role.
unknown_role := "the rules of the role are not in the input" if count(input.object.relatedObjects) == 1

# Violation of a subject with a permission, or of a role that would grant it, with the paths that grant it.
message(permission) := sprintf("%s %s can %s: bound to %s %s by %s %s", [
	input.object.kind,
	subject_name(input.object),
	permission,
	binding.roleRef.kind,
	binding.roleRef.name,
	binding.kind,
	binding.metadata.name,
]) if {
	input.object.relatedObjects
} else := sprintf("the role is aggregated into %s, which allows its subjects to %s", [
	concat(", ", aggregates),
	permission,
]) if {
	count(aggregates) > 0
} else := sprintf("if bound, the role allows its subjects to %s; the input has no binding to it", [permission])

# Built-in roles to which a ClusterRole adds its rules.
aggregates := {name |
	input.object.kind == "ClusterRole"
	input.object.metadata.labels[label] == "true"
	startswith(label, "rbac.authorization.k8s.io/aggregate-to-")
	name := trim_prefix(label, "rbac.authorization.k8s.io/aggregate-to-")
	name in {"admin", "edit", "view"}
}

# A service account without a namespace in a RoleBinding is in the namespace of the binding.
subject_name(subject) := sprintf("%s/%s", [subject.namespace, subject.name]) if {
	is_string(subject.namespace)
} else := sprintf("%s/%s", [binding.metadata.namespace, subject.name]) if {
	subject.kind == "ServiceAccount"
	is_string(binding.metadata.namespace)
} else := subject.name

# Resources that can be impersonated, with the extra fields in the rules of the role (`userextras/scopes`, `*/scopes`).
# RBAC has no wildcard `userextras/*`. Only service accounts are in namespaces.
identities := {
	"": {"*", "groups", "serviceaccounts", "users"},
	"authentication.k8s.io": {"uids"} | {resource |
		resource := role.rules[_].resources[_]
		regex.match(`^(userextras|\*)/[^*]`, resource)
	},
} if {
	cluster_wide
} else := {"": {"*", "serviceaccounts"}}
