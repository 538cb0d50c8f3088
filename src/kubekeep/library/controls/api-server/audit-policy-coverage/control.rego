package kubekeep.controls.audit_policy_coverage

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

info_path := sprintf("%s.APIServerInfo", [section]) if {
	input.object[section].APIServerInfo
} else := section

info := input.object[section].APIServerInfo

info := input.object[section] if not input.object[section].APIServerInfo

content := info.auditPolicyFile.content

policy := apiserver.parsed(content)

collected if {
	is_string(content)
	content != ""
}

rules := policy.rules if {
	is_array(policy.rules)
} else := [] if policy

named if flags.last(flags.pieces(trim_space(info.cmdLine), ""), "audit-policy-file").value != ""

applies if collected

applies if count(unread) > 0

applies if regex.match(`(^|[/\s])kube-apiserver(\s|$)`, info.cmdLine)

not_evaluated contains "the file of --audit-policy-file was not collected or cannot be read" if {
	not rules
	known
}

not_evaluated contains reason if {
	not known
	some reason in unread
}

unread := hostfile.unread_line(input.object, "kube-apiserver", "APIServerInfo.cmdLine")

known if named

known if collected

violation contains {"path": path, "message": "--audit-policy-file is not set: no audit events are logged"} if {
	not known
	count(unread) == 0
	path := sprintf("%s.cmdLine", [info_path])
}

# Required events (CIS Kubernetes Benchmark, audit policy). The bodies of some requests contain secrets.
needs := [
	{"group": "", "resource": "secrets", "verbs": every_verb, "namespaced": true, "private": true},
	{"group": "", "resource": "configmaps", "verbs": every_verb, "namespaced": true, "private": true},
	{"group": "authentication.k8s.io", "resource": "tokenreviews", "verbs": {"create"}, "namespaced": false, "private": true},
	{"group": "", "resource": "pods", "verbs": changes, "namespaced": true, "private": false},
	{"group": "apps", "resource": "deployments", "verbs": changes, "namespaced": true, "private": false},
	{"group": "", "resource": "pods/exec", "verbs": {"create", "get"}, "namespaced": true, "private": false},
	{"group": "", "resource": "pods/portforward", "verbs": {"create", "get"}, "namespaced": true, "private": false},
	{"group": "", "resource": "pods/proxy", "verbs": {"create", "get"}, "namespaced": true, "private": false},
	{"group": "", "resource": "services/proxy", "verbs": {"create", "get"}, "namespaced": true, "private": false},
]

changes := {"create", "update", "patch", "delete"}

every_verb := changes | {"get", "list", "watch"}

# The first matching rule applies (Kubernetes docs, Auditing).
gaps contains describe(sprintf("rules[%d]", [count(rules)]), "no audit rule logs requests for", need) if {
	some need in needs
	some verb in need.verbs
	count(complete(need, verb)) == 0
}

gaps contains describe(sprintf("rules[%d].level", [index]), problem, need) if {
	some need in needs
	some verb in need.verbs
	some index in deciding(need, verb)
	not logged(rules[index], need)
	for_every_user(rules[index], need)
	problem := "the level of the audit rule does not log requests for"
}

gaps contains describe(sprintf("rules[%d].level", [index]), problem, need) if {
	some need in needs
	need.private
	some verb in need.verbs
	some index in deciding(need, verb)
	logged(rules[index], need)
	rules[index].level in {"Request", "RequestResponse"}
	problem := sprintf("level %s of the audit rule logs the contents of", [rules[index].level])
}

describe(path, problem, need) := {"path": path, "problem": problem, "resource": need.resource}

# Rules that are the first matching one for some of the requests: no later than the first rule for all of them, and not
# after a rule with wider conditions.
deciding(need, verb) := [index |
	last := min(array.concat(complete(need, verb), [count(rules)]))
	some index
	index <= last
	matches_some(rules[index], need, verb)
	count([earlier | some earlier; earlier < index; hides(rules[earlier], rules[index], need, verb)]) == 0
]

# Rules that match all of the requests.
complete(need, verb) := [index |
	some index
	matches_some(rules[index], need, verb)
	for_every_user(rules[index], need)
	not rules[index].namespaces[0]
]

# The level applies to the stages that are not omitted.
logged(rule, need) if {
	rule.level in {"Metadata", "Request", "RequestResponse"}
	omitted := {stage | some holder in [policy, rule]; some stage in holder.omitStages}
	count(stages(need) - omitted) > 0
}

violation contains {"inside": inside, "path": path, "message": message} if {
	some {"path": path, "problem": problem} in gaps
	resources := {gap.resource | some gap in gaps; gap.path == path; gap.problem == problem}
	message := sprintf("%s %s", [problem, concat(", ", resources)])
	inside := sprintf("%s.auditPolicyFile.content", [info_path])
}

# Stages of a request; connections to pods and services are long-running (Kubernetes docs, Auditing).
stages(need) := {"RequestReceived", "ResponseStarted", "ResponseComplete"} if {
	contains(need.resource, "/")
} else := {"RequestReceived", "ResponseComplete"}

# Matching as in the API server: each condition of a rule restricts it. `resourceNames` leaves other names to later rules.
matches_some(rule, need, verb) if {
	has_verb(rule, verb)
	in_namespaces(rule, need)
	has_resource(rule, need)
}

for_every_user(rule, need) if {
	for_everyone(rule)
	not rule.users[0]
	has_every_name(rule, need)
}

# True if each request of this kind that the second rule matches is matched by the first one.
hides(first, second, need, verb) if {
	matches_some(first, need, verb)
	has_every_name(first, need)
	includes(first, second, "users")
	includes(first, second, "namespaces")
	hides_groups(first, second)
}

hides_groups(first, _) if for_everyone(first)

hides_groups(first, second) if includes(first, second, "userGroups")

includes(first, _, field) if not first[field][0]

includes(first, second, field) if {
	second[field][0]
	every name in second[field] {
		name in first[field]
	}
}

for_everyone(rule) if not rule.userGroups[0]

for_everyone(rule) if "system:authenticated" in rule.userGroups

has_verb(rule, _) if not rule.verbs[0]

has_verb(rule, verb) if verb in rule.verbs

# Objects without a namespace have the empty one.
in_namespaces(rule, _) if not rule.namespaces[0]

in_namespaces(rule, need) if {
	need.namespaced
	rule.namespaces[_] != ""
}

in_namespaces(rule, need) if {
	not need.namespaced
	"" in rule.namespaces
}

has_resource(rule, need) if entries(rule, need)[_]

has_every_name(rule, need) if {
	entry := entries(rule, need)[_]
	not entry.resourceNames[0]
}

# Entries of `resources` for the resource. A rule without entries is for all resources, unless it is for URLs.
entries(rule, _) := [{}] if {
	not rule.resources[0]
	not for_urls(rule)
} else := [] if {
	not rule.resources[0]
}

entries(rule, need) := [entry |
	entry := rule.resources[_]
	object.get(entry, "group", "") in {need.group, "*"}
	lists(entry, need.resource)
] if {
	rule.resources[0]
}

for_urls(rule) if {
	rule.nonResourceURLs[0]
	not rule.namespaces[0]
}

lists(entry, _) if not entry.resources[0]

lists(entry, resource) if {
	entry.resources[_] in {resource, "*", sprintf("%s/*", [split(resource, "/")[0]]), regex.replace(resource, `.*/`, "*/")}
}
