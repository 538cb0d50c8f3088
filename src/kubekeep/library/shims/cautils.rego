# What rules written for Kubescape expect under the name `cautils`: small questions on lists and objects.
package cautils

import rego.v1

# Whether `element` is one of `list`.
list_contains(list, element) if element in list

# The entries that both objects have, with equal values.
object_intersection(one, other) := {key: value |
	some key, value in one
	other[key] == value
}

# Whether each entry of `sub` is one of `parent`.
is_subobject(sub, parent) if object_intersection(sub, parent) == sub
