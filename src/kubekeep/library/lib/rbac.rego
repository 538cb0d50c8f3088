# RBAC as a subject joined with one of its bindings and the role that it grants.
package kubekeep.lib.rbac

# Lists are walked by index throughout: in files they may be null, which `some ... in` takes for an error.

binding := input.object.relatedObjects[0]

role := input.object.relatedObjects[1]

# Where a role allows some of `verbs` on some of `resources` of the core group: the entries of its rules that
# say so, the subject and the reference in the binding. Empty if no rule allows it.
evidence(resources, verbs) := entries | subjects | {"relatedObjects[0].roleRef.name"} if {
	entries := allowing(resources, verbs)
	count(entries) > 0
} else := set()

allowing(resources, verbs) := {path |
	some index
	rule := role.rules[index]
	granted := named(index, "resources", rule.resources, resources)
	count(granted) > 0
	allowed := named(index, "verbs", rule.verbs, verbs)
	count(allowed) > 0
	groups := named(index, "apiGroups", rule.apiGroups, {"", "*"})
	count(groups) > 0
	some path in (granted | allowed) | groups
}

named(index, field, values, wanted) := {sprintf("relatedObjects[1].rules[%d].%s[%d]", [index, field, at]) |
	some at
	values[at] in wanted
}

subjects := {sprintf("relatedObjects[0].subjects[%d]", [at]) |
	subject := object.remove(input.object, ["relatedObjects"])
	some at
	binding.subjects[at] == subject
}
