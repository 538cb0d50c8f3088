# Quantities as the API server reads them (Kubernetes docs, Quantity), and what limits and requests come to.
# Rules of other packages call functions only: naming a rule of a package makes the engine evaluate all of them.
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

# What the API server takes for a quantity of a resource, which is never negative.
readable(quantity) if {
	regex.match(`^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$`, quantity)
} else := is_number(quantity)

# Zero means no limit to the kubelet.
zero(quantity) if {
	is_string(quantity)
	regex.match(`^[+-]?[0.]*0[0.]*([a-zA-Z]|$)`, quantity)
} else := quantity == 0

positive(quantity) if {
	quantity != null
	zero(quantity) == false
}

# The amount in billionths, the finest step there is, so that 0.7 and 700m are equal. Undefined for what is
# not a quantity. Costly: compare with it only where there is something to compare.
nano(quantity) := round(quantity * 1000000000) if is_number(quantity)

nano(quantity) := round(number(trim_suffix(quantity, suffix)) * factors[suffix]) if {
	is_string(quantity)
	suffix := trim_left(quantity, "+-.0123456789")
}

nano(quantity) := round(to_number(trim_left(quantity, "+")) * 1000000000) if {
	is_string(quantity)
	regex.match(`^[+]?[0-9]+([.][0-9]+)?[eE][+-]?[0-9]+$`, quantity)
}

# Go's numbers may begin or end with the point, or with zeros, and carry a plus; JSON's may not.
number(text) := to_number(text) if {
	regex.match(`^-?(0|[1-9][0-9]*)([.][0-9]+)?$`, text)
} else := to_number(sprintf("%s.%s0", [whole(groups[1]), trim_left(groups[2], ".")])) if {
	groups := regex.find_all_string_submatch_n(`^[+]?([0-9]*)([.]?[0-9]*)$`, text, 1)[0]
	regex.match(`[0-9]`, text)
}

whole(digits) := object.get({"": "0"}, trim_left(digits, "0"), trim_left(digits, "0"))

# What the pod as a whole may use (from 1.34 on, KEP-2837).
default shared := {}

shared := input.workload.spec.resources if input.kubernetes.minor >= 34

# The container cannot use more than some amount: its own, or what the whole pod may use.
limited(container, resource) if {
	positive(container.resources.limits[resource])
} else if {
	positive(shared.limits[resource])
}

# Something is written down to be set aside for the container. The API server would take the limit where no
# request is written; who reads the manifest sees only what it says.
requested(container, resource) if {
	positive(container.resources.requests[resource])
} else if {
	positive(shared.requests[resource])
}

# The amounts that these come to.
limit(container, resource) := amount if {
	amount := container.resources.limits[resource]
	positive(amount)
} else := shared.limits[resource]

request(container, resource) := amount if {
	amount := container.resources.requests[resource]
	positive(amount)
} else := shared.requests[resource]

# The bounds that parameters set, as amounts; at least nothing is no bound.
lowest(bounds) := [nano(bound) | some bound in bounds; not zero(bound)]

highest(bounds) := [nano(bound) | some bound in bounds]

# Which sections of `resources` hold something else than an amount.
unreadable(resources, resource) := {section |
	some section in ["limits", "requests"]
	amount := resources[section][resource]
	amount != null
	not readable(amount)
}
