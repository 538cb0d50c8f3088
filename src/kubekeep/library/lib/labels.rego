# Metadata of a workload and its pods, with the labels that the API server sets.
package kubekeep.lib.labels

described contains ["metadata", object.get(input.object, "metadata", {})] if not copied

described contains [input.workload.metadata_path, input.workload.metadata]

# True if the API server copies the labels of the pod template to the object (API defaults of Job and
# ReplicationController).
copied if {
	copying
	not labelled
	input.workload.metadata.labels[_]
}

labelled if input.object.metadata.labels[_]

copying if {
	input.object.kind == "Job"
	startswith(input.object.apiVersion, "batch/")
}

copying if {
	input.object.kind == "ReplicationController"
	input.object.apiVersion == "v1"
}

# True if the label has a value; the API server stores null as empty text.
has_value(metadata, name) if {
	value := metadata.labels[name]
	not value in {"", null}
}
