# Label selectors (Kubernetes docs, Labels and Selectors).
package kubekeep.lib.selectors

# Whether a selection, `labels` and `expressions`, selects what carries these labels.
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

# What has no such label has none of the values either.
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
