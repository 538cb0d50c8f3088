package kubekeep.controls.wildcard_roles

import data.kubekeep.lib.rbac

applies if rbac.evaluated

violation contains {"path": path, "severity_change": rbac.severity_change, "message": message} if {
	paths := rbac.located(everything)
	count(paths) > 0
	message := rbac.message("perform all actions")
	some path in paths
}

violation contains {"path": path, "severity_change": change, "message": message} if {
	rule := narrower[index]
	change := rbac.severity_change + weight(rule)
	message := rbac.message(permission(rule))
	some path in rbac.located(stars(rule, index))
}

# Entries that allow all verbs on all resources of the core group.
everything := rbac.granting(rbac.role.rules, {"": {"*"}}, {"*"})

# Other rules with a wildcard, by index. The rules of built-in roles cannot be changed, except by aggregation.
narrower[index] := rule if {
	rule := rbac.role.rules[index]
	has_star(rule)
	not restored
	grants_something(rule)
	count(stars(rule, index) & everything) == 0
}

has_star(rule) if {
	"*" in rule.verbs
} else if {
	"*" in rule.apiGroups
} else if is_star(rule.resources[_])

restored if {
	rbac.built_in(rbac.role)
	not rbac.role.aggregationRule
}

grants_something(rule) if {
	rule.verbs[0]
	rule.apiGroups[0] != null
	rule.resources[0]
} else if {
	rule.verbs[0]
	rule.nonResourceURLs[0]
}

# Paths of the wildcards of a rule. RBAC has `*` and the wildcards of one subresource, such as `*/scale`; it takes `pods/*`
# for a name that no resource has.
stars(rule, index) := rbac.entries(index, "verbs", {at | rule.verbs[at] == "*"}) |
	rbac.entries(index, "apiGroups", {at | rule.apiGroups[at] == "*"}) |
	rbac.entries(index, "resources", {at | is_star(rule.resources[at])})

is_star(resource) if resource == "*"

is_star(resource) if regex.match(`^\*/[^*]`, resource)

# Difference to the severity of a role that allows everything.
weight(rule) := -1 if {
	is_star(rule.resources[_])
	rule.apiGroups[_] in {"", "*"}
} else := -2 if {
	is_star(rule.resources[_])
} else := -3

permission(rule) := sprintf("%s %s of %s", [actions(rule), concat(", ", subjects), groups(rule)]) if {
	subjects := [describe(resource) | resource := rule.resources[_]]
	count(subjects) > 0
} else := sprintf("%s %s", [actions(rule), concat(", ", rule.nonResourceURLs)])

actions(rule) := "use all verbs on" if {
	"*" in rule.verbs
} else := concat(", ", rule.verbs)

describe(resource) := "all resources" if {
	resource == "*"
} else := sprintf("%s of all resources", [trim_prefix(resource, "*/")]) if {
	is_star(resource)
} else := resource

groups(rule) := "all API groups" if {
	"*" in rule.apiGroups
} else := "the core API group" if {
	rule.apiGroups == [""]
} else := sprintf("API group %s", [concat(", ", [name | group := rule.apiGroups[_]; name := group_name(group)])])

group_name(group) := "core" if {
	group == ""
} else := group

not_evaluated contains rbac.unknown_role
