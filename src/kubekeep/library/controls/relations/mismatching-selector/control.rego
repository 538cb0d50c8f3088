package kubekeep.controls.mismatching_selector

import data.kubekeep.lib.selectors

# The selector and the pod template are in the same object.
owner := trim_suffix(input.workload.path, ".template.spec")

selector := input.object.spec.jobTemplate.spec.selector if {
	input.object.kind == "CronJob"
} else := input.object.spec.selector

labels := object.get(input.workload.metadata, "labels", {})

# Older versions of the API set the labels of the template as the selector, as for Jobs and ReplicationControllers.
not_evaluated contains sprintf("%s.selector is empty: the API server would reject the object", [owner]) if {
	input.object.apiVersion in {"apps/v1", "apps/v1beta2"}
	count(object.get(input.object, ["spec", "selector", "matchLabels"], {})) == 0
	count(object.get(input.object, ["spec", "selector", "matchExpressions"], [])) == 0
}

violation contains {"path": sprintf("%s.selector.matchLabels", [owner]), "message": message} if {
	input.object.kind != "ReplicationController"
	message := missing(selector.matchLabels)
}

violation contains {"path": sprintf("%s.selector", [owner]), "message": message} if {
	input.object.kind == "ReplicationController"
	message := missing(selector)
}

violation contains {"path": sprintf("%s.selector.matchExpressions", [owner]), "message": message} if {
	expression := selector.matchExpressions[_]
	not selectors.holds(expression, labels)
	message := sprintf("the labels of the pods do not match the expression %v %v", [
		expression.key,
		expression.operator,
	])
}

missing(expected) := sprintf("the pods do not have the labels %s", [concat(",", missing_labels)]) if {
	missing_labels := [sprintf("%s=%v", [key, value]) |
		value := expected[key]
		not labels[key] == value
	]
	count(missing_labels) > 0
}
