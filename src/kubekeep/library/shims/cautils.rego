# Package `cautils` of rules written for Kubescape: helper functions for lists and objects.
package cautils

import rego.v1

# True if `element` is in `list`.
list_contains(list, element) if element in list

# Entries that both objects have with equal values.
object_intersection(one, other) := {key: value |
	some key, value in one
	other[key] == value
}

# True if `parent` contains each entry of `sub`.
is_subobject(sub, parent) if object_intersection(sub, parent) == sub
