# Quantities as the API server reads them (Kubernetes docs, Quantity), and what limits and requests come to.
# Rules of other packages call functions only: naming a rule of a package makes the engine evaluate all of them.
# Nearly every workload has quantities, so the first look at one is a cheap one.
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

# What the API server takes for a quantity of a resource, which is never negative; null is none at all. Most are
# digits and a common suffix, which takes no regular expression to see: only strings lie between "0" and ":", those
# that begin with a digit.
readable(quantity) if {
	quantity >= "0"
	quantity < ":"
	trim_left(quantity, "0123456789") in ["", "m", "Mi", "Gi"]
} else if {
	regex.match(`^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$`, quantity)
} else if {
	is_number(quantity)
} else := quantity == null

# More than nothing, as all is that begins with another digit than zero (or is no quantity).
positive(quantity) if {
	quantity >= "1"
} else if {
	quantity != null
	zero(quantity) == false
}

# The kubelet treats zero as no limit.
zero(quantity) if {
	is_string(quantity)
	regex.match(`^[+-]?[0.]*0[0.]*([a-zA-Z]|$)`, quantity)
} else := quantity == 0

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

# What a container is limited to, or has set aside for it, if that is more than nothing: `section` is `limits` or
# `requests`. Its own word, or that of the pod as a whole (from 1.34 on, KEP-2837). The API server would take the limit
# where no request is written; who reads the manifest sees only what it says.
amount(container, section, resource) := own if {
	own := container.resources[section][resource]
	positive(own)
} else := shared if {
	input.kubernetes.minor >= 34
	shared := input.workload.spec.resources[section][resource]
	positive(shared)
}
