package kubekeep.controls.labels

import data.kubekeep.lib.labels

violation contains {
	"path": sprintf("%s.labels[\"%s\"]", [path, input.params.recommendedLabels[0]]),
	"message": sprintf("none of these labels is set: %s", [concat(", ", input.params.recommendedLabels)]),
} if {
	some [path, metadata] in labels.described
	not labelled(metadata)
}

labelled(metadata) if {
	some name in input.params.recommendedLabels
	labels.has_value(metadata, name)
}
