# Quantities as the API server reads them (Kubernetes docs, Quantity), and what limits and requests come to.
package kubekeep.lib.quantity

factors := {
	"": 1000000000,
	"n": 1,
	"u": 1000,
	"m": 1000000,
	"k": 1000000000000,
	"M": 1000000000000000,
	"G": 1000000000000000000,
	"T": 1000000000000000000000,
	"P": 1000000000000000000000000,
	"E": 1000000000000000000000000000,
	"Ki": 1024000000000,
	"Mi": 1048576000000000,
	"Gi": 1073741824000000000,
	"Ti": 1099511627776000000000,
	"Pi": 1125899906842624000000000,
	"Ei": 1152921504606846976000000000,
}

# The amount in billionths, the finest step there is, so that 0.7 and 700m are equal. Undefined for what is
# not a quantity.
nano(quantity) := round(quantity * 1000000000) if is_number(quantity)

nano(quantity) := round(number(trim_suffix(quantity, suffix)) * factors[suffix]) if {
	is_string(quantity)
	suffix := trim_left(quantity, "+-.0123456789")
}

nano(quantity) := round(to_number(trim_left(quantity, "+")) * 1000000000) if {
	is_string(quantity)
	regex.match(`^[+]?[0-9]+([.][0-9]*)?[eE][+-]?[0-9]+$`, quantity)
}

# Go's numbers may begin or end with the point and carry a plus.
number(text) := to_number(text) if {
	regex.match(`^-?(0|[1-9][0-9]*)([.][0-9]+)?$`, text)
} else := to_number(sprintf("%s.%s0", [whole(groups[1]), trim_left(groups[2], ".")])) if {
	groups := regex.find_all_string_submatch_n(`^[+]?([0-9]*)([.]?[0-9]*)$`, text, 1)[0]
	regex.match(`[0-9]`, text)
}

whole(digits) := object.get({"": "0"}, trim_left(digits, "0"), trim_left(digits, "0"))

# Containers that may have resources: the API allows ephemeral ones none.
counted := [container | some container in input.workload.containers; container.type != "ephemeral"]

# What the container may use: its own limit, or what the pod as a whole may use (from 1.34 on, KEP-2837).
limit(container, resource) := amount if {
	amount := written(container, "limits", resource)
} else := shared("limits", resource)

# What is set aside for the container: the API server takes the limit where no request is written.
request(container, resource) := amount if {
	amount := written(container, "requests", resource)
} else := amount if {
	amount := written(container, "limits", resource)
} else := amount if {
	amount := shared("requests", resource)
} else := shared("limits", resource)

written(container, section, resource) := amount if {
	amount := container.resources[section][resource]
	amount != null
}

shared(section, resource) := amount if {
	data.kubernetes.minor >= 34
	amount := input.workload.spec.resources[section][resource]
	amount != null
}

# Zero means no limit to the kubelet.
unlimited(container, resource) if not limit(container, resource)

unlimited(container, resource) if nano(limit(container, resource)) == 0

unrequested(container, resource) if not request(container, resource)

unrequested(container, resource) if nano(request(container, resource)) == 0

outside(amount, lowest, _) if {
	some bound in lowest
	nano(amount) < nano(bound)
}

outside(amount, _, highest) if {
	some bound in highest
	nano(amount) > nano(bound)
}

# Paths of what is written as an amount of `resource` and is none.
unreadable(resource) := {path |
	some holder in array.concat(counted, [object.union(input.workload.spec, {"path": input.workload.path})])
	some section in ["limits", "requests"]
	amount := written(holder, section, resource)
	not nano(amount)
	path := sprintf("%s.resources.%s.%s", [holder.path, section, resource])
}
