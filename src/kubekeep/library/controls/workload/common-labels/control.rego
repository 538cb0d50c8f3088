package kubekeep.controls.common_labels

import data.kubekeep.lib.labels

violation contains {
	"path": sprintf("%s.labels[\"%s\"]", [path, names[0]]),
	"message": sprintf("none of these labels is set: %s", [concat(", ", names)]),
} if {
	some [path, metadata] in labels.described
	not labelled(metadata)
}

labelled(metadata) if {
	some name in names
	labels.has_value(metadata, name)
}

names := input.params.k8sRecommendedLabels if {
	count(input.params.k8sRecommendedLabels) > 0
} else := [
	"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
	"app.kubernetes.io/component", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by",
]
