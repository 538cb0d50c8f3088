# Enforcement of pod policies in a namespace: Pod Security Admission by its label, or an admission webhook or policy of
# the API server (Kubernetes docs, Pod Security Admission; Dynamic Admission Control).
package kubekeep.lib.admission

import data.kubekeep.lib.selectors

# System namespaces. The benchmark requires policies for user workloads (CIS 5.2.1).
system(name) if name in {"kube-system", "kube-public", "kube-node-lease"}

# Violation of a namespace without enforcement of one of `levels`, ordered from the mildest;
# undefined if a policy is enforced.
loose(namespace, levels) := {
	"path": `metadata.labels["pod-security.kubernetes.io/enforce"]`,
	"fix": levels[0],
	"message": message,
} if {
	not enforced(namespace, levels)
	not guarded(namespace)
	message := sprintf(
		"namespace %v: %s, expected %s, and no admission policy or webhook checks its pods",
		[object.get(object.get(namespace, "metadata", {}), "name", ""), written(namespace), concat(" or ", levels)],
	)
}

enforced(namespace, levels) if namespace.metadata.labels["pod-security.kubernetes.io/enforce"] in levels

written(namespace) := sprintf("pod-security.kubernetes.io/enforce is %s", [level]) if {
	level := namespace.metadata.labels["pod-security.kubernetes.io/enforce"]
	is_string(level)
} else := "pod-security.kubernetes.io/enforce is not set"

# Any validating webhook for new pods counts, because its purpose is not visible.
guarded(namespace) if {
	webhook := input.cluster.objects.ValidatingWebhookConfiguration[_][_].webhooks[_]
	matches_pods(webhook.rules, webhook, namespace)
}

# Most mutating webhooks only add to pods; those of policy engines may also change or reject them.
guarded(namespace) if {
	configuration := input.cluster.objects.MutatingWebhookConfiguration[_][_]
	webhook := configuration.webhooks[_]
	engine(configuration, webhook)
	matches_pods(webhook.rules, webhook, namespace)
}

# A ValidatingAdmissionPolicy takes effect through bindings, and rejects only with the action Deny.
guarded(namespace) if {
	binding := input.cluster.objects.ValidatingAdmissionPolicyBinding[_][_]
	"Deny" == binding.spec.validationActions[_]
	policy := input.cluster.objects.ValidatingAdmissionPolicy[_][_]
	policy.metadata.name == binding.spec.policyName
	constraints := policy.spec.matchConstraints
	matches_pods(constraints.resourceRules, constraints, namespace)
	narrowed(object.get(binding.spec, "matchResources", null), namespace)
}

# True if the restrictions of a binding, if it has any, leave the pods of the namespace to the policy.
narrowed(resources, namespace) if matches_pods(resources.resourceRules, resources, namespace)

narrowed(resources, namespace) if {
	not resources.resourceRules[0]
	covered(resources, namespace)
}

engine(configuration, webhook) if {
	names := sprintf("%v %v %v", [
		configuration.metadata.name,
		object.get(webhook, "name", ""),
		object.get(object.get(webhook, "clientConfig", {}), "service", {}),
	])
	regex.match(`(?i)kyverno|gatekeeper|kubewarden|jspolicy|polaris|datree|neuvector`, names)
}

# True if one of `rules` matches new pods, and the selectors of `owner` select the namespace.
matches_pods(rules, owner, namespace) if {
	rule := rules[_]
	rule.apiGroups[_] in {"", "*"}
	rule.resources[_] in {"pods", "*", "*/*"}
	rule.operations[_] in {"CREATE", "*"}
	object.get(rule, "scope", "*") != "Cluster"
	not rule.resourceNames[0]
	covered(owner, namespace)
}

# True if the selectors of `owner` select the namespace and pods with any labels, and no rule excludes pods.
covered(owner, namespace) if {
	chosen(owner, namespace)
	not selective(owner)
	not excludes(owner)
}

# True if only pods with some label are selected: others are not checked.
selective(owner) if count(owner.objectSelector.matchLabels) > 0

selective(owner) if {
	expression := owner.objectSelector.matchExpressions[_]
	expression.operator in {"In", "Exists"}
}

excludes(owner) if {
	rule := owner.excludeResourceRules[_]
	rule.apiGroups[_] in {"", "*"}
	rule.resources[_] in {"pods", "*", "*/*"}
	rule.operations[_] in {"CREATE", "*"}
	not rule.resourceNames[0]
}

chosen(owner, namespace) if not owner.namespaceSelector

chosen(owner, namespace) if {
	selector := owner.namespaceSelector
	# The API server labels every namespace with its name.
	own := object.union(
		{"kubernetes.io/metadata.name": namespace.metadata.name},
		{key: value | value := namespace.metadata.labels[key]},
	)
	selectors.selects(
		{
			"labels": {key: value | value := selector.matchLabels[key]},
			"expressions": [expression | expression := selector.matchExpressions[_]],
		},
		own,
	)
}
