# Whether the workloads of the input have pods that a selector selects.
package kubekeep.lib.selection

import data.kubekeep.lib.selectors

# Labels that no template has: controllers add them to each pod (Kubernetes docs, Well-Known Labels).
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

# Whether pods of some workload in the namespace have these labels and hold to these expressions.
selected(namespace, labels, expressions) if {
	pods := data.cluster.pods[namespace]
	selection := {
		"labels": object.remove(labels, added),
		"expressions": [item | item := expressions[_]; not item.key in added],
	}
	place := candidates(pods, selection)[_]
	selectors.selects(selection, pods.all[place].labels)
}

# Places of the pods that may be meant, as few as the indexes can tell: those that have the rarest label.
candidates(pods, selection) := shortest([object.get(pods.by_label, sprintf("%s=%v", [key, value]), []) |
	some key, value in selection.labels
]) if {
	count(selection.labels) > 0
} else := [place |
	value := listed[0].values[_]
	place := pods.by_label[sprintf("%s=%v", [listed[0].key, value])][_]
] if {
	listed := [item | some item in selection.expressions; item.operator == "In"]
	count(listed) > 0
} else := object.get(pods.by_key, existing[0], []) if {
	existing := [item.key | some item in selection.expressions; item.operator == "Exists"]
	count(existing) > 0
} else := [place | some place, _ in pods.all]

shortest(lists) := [list | some list in lists; count(list) == least][0] if {
	least := min([count(list) | some list in lists])
}
