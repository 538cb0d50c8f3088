package kubekeep.controls.labels

violation contains {
	"path": sprintf("%s.labels[\"%s\"]", [path, input.params.recommendedLabels[0]]),
	"message": sprintf("none of these labels is set: %s", [concat(", ", input.params.recommendedLabels)]),
} if {
	some [path, metadata] in described
	not labelled(metadata)
}

described contains ["metadata", object.get(input.object, "metadata", {})]

described contains [input.workload.metadata_path, input.workload.metadata]

labelled(metadata) if {
	some name in input.params.recommendedLabels
	metadata.labels[name] != null
}
