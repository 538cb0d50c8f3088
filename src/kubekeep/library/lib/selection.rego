# Matching of selectors with the pods of the workloads in the input.
package kubekeep.lib.selection

import data.kubekeep.lib.selectors

# Labels that controllers add to pods and templates do not have (Kubernetes docs, Well-Known Labels).
added := {
	"apps.kubernetes.io/pod-index",
	"batch.kubernetes.io/controller-uid",
	"batch.kubernetes.io/job-completion-index",
	"batch.kubernetes.io/job-name",
	"controller-revision-hash",
	"controller-uid",
	"job-name",
	"pod-template-generation",
	"pod-template-hash",
	"statefulset.kubernetes.io/pod-name",
}

# Labels of a selector with the domain of a vendor, such as `cnpg.io/cluster`, that no pod of the input in the namespace
# has. Operators set them on the pods that they create.
foreign(namespace, keys) := {key |
	some key in keys
	contains(key, "/")
	domain := split(key, "/")[0]
	not endswith(sprintf(".%s", [domain]), ".kubernetes.io")
	not key in added
	not input.cluster.pods[namespace].by_key[key]
}

unknown(keys) := sprintf("no workload of the input has the label %s, which an operator may set", [concat(", ", keys)])

# Reason that an operator may create the missing workload; undefined if there is none. pairs: keys and values of the
# selector. A custom resource of the namespace may own the pods if its fields describe pods, or if the selector has its
# name as a value, and its kind in a key or value.
operated(namespace, pairs) := sprintf(
	"the input has no such workload, but an operator may create it from %s %s",
	[kind, name],
) if {
	candidates := sort([[kind_name, owner] |
		some group_kind, namespaces in input.cluster.custom_owners
		kind_name := split(group_kind, "/")[1]
		some owner, owns_pods in namespaces[namespace]
		may_own(owns_pods, kind_name, owner, pairs)
	])
	[kind, name] := candidates[0]
}

may_own(true, _, _, _)

may_own(false, kind, name, pairs) if {
	some pair in pairs
	pair[1] == name
	some other in pairs
	some text in other
	is_string(text)
	contains(lower(text), lower(kind))
}

# True if pods of some workload in the namespace match these labels and expressions.
selected(namespace, labels, expressions) if {
	pods := input.cluster.pods[namespace]
	selects_some(pods, {
		"labels": object.remove(labels, added),
		"expressions": [expression | expression := expressions[_]; not expression.key in added],
	})
}

# A selector with exclusions only selects some pods if it excludes fewer than all, without a test of each pod.
selects_some(pods, selection) if {
	count(selection.labels) == 0
	every expression in selection.expressions {
		expression.operator in {"NotIn", "DoesNotExist"}
	}
	sum([excluded(pods, expression) | some expression in selection.expressions]) < count(pods.all)
} else if {
	position := candidates(pods, selection)[_]
	selectors.selects(selection, pods.all[position].labels)
}

# Number of pods that an expression excludes.
excluded(pods, expression) := count(object.get(pods.by_key, expression.key, [])) if {
	expression.operator == "DoesNotExist"
} else := sum([count(positions) |
	value := expression.values[_]
	positions := pods.by_label[sprintf("%s=%v", [expression.key, value])]
])

# Positions of candidate pods: the smallest set that the indexes give.
candidates(pods, selection) := shortest(lists) if {
	lists := array.concat(
		[object.get(pods.by_label, sprintf("%s=%v", [key, value]), []) | some key, value in selection.labels],
		[listed(pods, expression) | some expression in selection.expressions; expression.operator in {"In", "Exists"}],
	)
	count(lists) > 0
} else := [position | some position, _ in pods.all]

listed(pods, expression) := object.get(pods.by_key, expression.key, []) if {
	expression.operator == "Exists"
} else := [position |
	value := expression.values[_]
	position := pods.by_label[sprintf("%s=%v", [expression.key, value])][_]
]

shortest(lists) := [list | some list in lists; count(list) == least][0] if {
	least := min([count(list) | some list in lists])
}
