package kubekeep.controls.audit_policy_coverage

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

place := sprintf("%s.APIServerInfo", [section]) if {
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

declined contains "the file of --audit-policy-file was not collected or cannot be read" if {
	not rules
	known
}

declined contains reason if {
	not known
	some reason in unread
}

unread := hostfile.unread_line(input.object, "kube-apiserver", "APIServerInfo.cmdLine")

known if named

known if collected

violation contains {"path": path, "message": "--audit-policy-file is not set: no audit events are logged"} if {
	not known
	count(unread) == 0
	path := sprintf("%s.cmdLine", [place])
}

# Required events (CIS Kubernetes Benchmark, audit policy). The bodies of some requests contain secrets.
needs := [
	{"group": "", "resource": "secrets", "verbs": every_verb, "private": true},
	{"group": "", "resource": "configmaps", "verbs": every_verb, "private": true},
	{"group": "authentication.k8s.io", "resource": "tokenreviews", "verbs": {"create"}, "private": true},
	{"group": "", "resource": "pods", "verbs": changes, "private": false},
	{"group": "apps", "resource": "deployments", "verbs": changes, "private": false},
	{"group": "", "resource": "pods/exec", "verbs": {"create", "get"}, "private": false},
	{"group": "", "resource": "pods/portforward", "verbs": {"create", "get"}, "private": false},
	{"group": "", "resource": "pods/proxy", "verbs": {"create", "get"}, "private": false},
	{"group": "", "resource": "services/proxy", "verbs": {"create", "get"}, "private": false},
]

changes := {"create", "update", "patch", "delete"}

every_verb := changes | {"get", "list", "watch"}

# The first matching rule applies (Kubernetes docs, Auditing).
gaps := {gap |
	some need in needs
	some verb in need.verbs
	matching := {index | some index; matches(rules[index], need, verb)}
	gap := flaw(matching, need)
}

flaw(matching, need) := {"path": path, "what": "no audit rule logs requests for", "resource": need.resource} if {
	count(matching) == 0
	path := sprintf("rules[%d]", [count(rules)])
} else := {
	"path": path,
	"what": "the level of the audit rule does not log requests for",
	"resource": need.resource,
} if {
	not object.get(rules[min(matching)], "level", "None") in {"Metadata", "Request", "RequestResponse"}
	path := sprintf("rules[%d].level", [min(matching)])
} else := {
	"path": path,
	"what": sprintf("level %s of the audit rule logs the contents of", [level]),
	"resource": need.resource,
} if {
	need.private
	level := rules[min(matching)].level
	level in {"Request", "RequestResponse"}
	path := sprintf("rules[%d].level", [min(matching)])
}

violation contains {"inside": inside, "path": path, "message": message} if {
	some {"path": path, "what": what} in gaps
	resources := {gap.resource | some gap in gaps; gap.path == path; gap.what == what}
	message := sprintf("%s %s", [what, concat(", ", resources)])
	inside := sprintf("%s.auditPolicyFile.content", [place])
}

# Rules for some users or namespaces leave other requests to later rules.
matches(rule, need, verb) if {
	for_everyone(rule)
	not rule.users[0]
	not rule.namespaces[0]
	has_verb(rule, verb)
	has_resource(rule, need)
}

for_everyone(rule) if not rule.userGroups[0]

for_everyone(rule) if "system:authenticated" in rule.userGroups

has_verb(rule, _) if not rule.verbs[0]

has_verb(rule, verb) if verb in rule.verbs

has_resource(rule, _) if {
	not rule.resources[0]
	not rule.nonResourceURLs[0]
}

has_resource(rule, need) if {
	entry := rule.resources[_]
	object.get(entry, "group", "") == need.group
	not entry.resourceNames[0]
	lists(entry, need.resource)
}

lists(entry, _) if not entry.resources[0]

lists(entry, resource) if {
	entry.resources[_] in {resource, "*", regex.replace(resource, `/.*`, "/*"), regex.replace(resource, `.*/`, "*/")}
}
