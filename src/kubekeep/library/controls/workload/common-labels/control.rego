package kubekeep.controls.common_labels

violation contains {
	"path": sprintf("%s.labels[\"%s\"]", [path, labels[0]]),
	"message": sprintf("none of these labels is set: %s", [concat(", ", labels)]),
} if {
	some [path, metadata] in described
	not labelled(metadata)
}

described contains ["metadata", object.get(input.object, "metadata", {})]

described contains [input.workload.metadata_path, input.workload.metadata]

labelled(metadata) if {
	some name in labels
	metadata.labels[name] != null
}

labels := input.params.k8sRecommendedLabels if {
	count(input.params.k8sRecommendedLabels) > 0
} else := [
	"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
	"app.kubernetes.io/component", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by",
]
