# Label selectors (Kubernetes docs, Labels and Selectors).
package kubekeep.lib.selectors

# True if a selection of `labels` and `expressions` matches these labels.
selects(selection, labels) if {
	every key, value in selection.labels {
		labels[key] == value
	}
	every expression in selection.expressions {
		holds(expression, labels)
	}
}

holds(expression, labels) if {
	expression.operator == "In"
	labels[expression.key] in expression.values
}

# NotIn also matches if the label is missing.
holds(expression, labels) if {
	expression.operator == "NotIn"
	not labels[expression.key] in expression.values
}

holds(expression, labels) if {
	expression.operator == "Exists"
	object.get(labels, expression.key, null) != null
}

holds(expression, labels) if {
	expression.operator == "DoesNotExist"
	object.get(labels, expression.key, null) == null
}
