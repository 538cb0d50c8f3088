# Quantities as parsed by the API server (Kubernetes docs, Quantity), and effective limits and requests.
# Nearly every workload has quantities, so the first test is a cheap one.
package kubekeep.lib.quantity

import data.kubekeep.lib.identity

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

# True for a valid quantity of a resource, which is never negative, and for null. Most are digits with a common
# suffix, which needs no regular expression: only strings that start with a digit are between "0" and ":".
readable(quantity) if {
	quantity >= "0"
	quantity < ":"
	trim_left(quantity, "0123456789") in ["", "m", "Mi", "Gi"]
} else if {
	regex.match(`^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$`, quantity)
} else if {
	is_number(quantity)
} else := quantity == null

# True for a quantity above zero: all text that starts with a non-zero digit (or is not a quantity).
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

# Amount in billionths, the smallest unit, so that 0.7 and 700m are equal. Undefined for invalid quantities.
# Expensive: call it only to compare two quantities.
nano(quantity) := round(quantity * 1000000000) if is_number(quantity)

nano(quantity) := round(number(trim_suffix(quantity, suffix)) * factors[suffix]) if {
	is_string(quantity)
	suffix := trim_left(quantity, "+-.0123456789")
}

nano(quantity) := round(to_number(trim_left(quantity, "+")) * 1000000000) if {
	is_string(quantity)
	regex.match(`^[+]?[0-9]+([.][0-9]+)?[eE][+-]?[0-9]+$`, quantity)
}

# Numbers in Go may start or end with the point, start with zeros, and have a plus sign; JSON numbers may not.
number(text) := to_number(text) if {
	regex.match(`^-?(0|[1-9][0-9]*)([.][0-9]+)?$`, text)
} else := to_number(sprintf("%s.%s0", [whole(groups[1]), trim_left(groups[2], ".")])) if {
	groups := regex.find_all_string_submatch_n(`^[+]?([0-9]*)([.]?[0-9]*)$`, text, 1)[0]
	regex.match(`[0-9]`, text)
}

whole(digits) := object.get({"": "0"}, trim_left(digits, "0"), trim_left(digits, "0"))

# Limit or request of a container (`section` is `limits` or `requests`) if it is above zero: its own value, or the one
# of the pod (from 1.34 on, KEP-2837). In pods, the API server sets a missing request to the limit (API defaults of Pod).
amount(container, section, resource) := own_value if {
	own_value := own(container.resources, section, resource)
} else := shared if {
	input.kubernetes.minor >= 34
	shared := input.workload.spec.resources[section][resource]
	positive(shared)
} else := total if {
	section == "requests"
	input.kubernetes.minor >= 34
	total := pod_request(resource)
}

own(resources, section, resource) := value if {
	value := resources[section][resource]
	positive(value)
} else := limit if {
	section == "requests"
	limit := resources.limits[resource]
	positive(limit)
	not requests(resources, resource)
}

# True if a request is set; null is stored as 0.
requests(resources, resource) if object.get(resources, ["requests", resource], "") != ""

# Request of a pod that sets only its limit: the sum of its containers, or the limit if no container has a request.
pod_request(resource) := limit if {
	limit := input.workload.spec.resources.limits[resource]
	positive(limit)
	not requests(input.workload.spec.resources, resource)
	not requested(resource)
} else := total if {
	input.workload.spec.resources.limits != null
	not requests(input.workload.spec.resources, resource)
	total := sum([nano(value) |
		some container in input.workload.containers
		value := own(container.resources, "requests", resource)
	]) / 1000000000
	total > 0
}

requested(resource) if {
	some container in input.workload.containers
	some section in ["limits", "requests"]
	object.get(container, ["resources", section, resource], "") != ""
}

# As `amount`, or the default of a LimitRange in the namespace, which the API server sets if the container has no value.
effective(container, section, resource) := value if {
	value := amount(container, section, resource)
} else := values[count(values) - 1] if {
	object.get(container, ["resources", section, resource], null) == null
	ranges := input.cluster.objects.LimitRange
	values := [value |
		entry := ranges[identity.namespace_of(input.object)][_].spec.limits[_]
		entry.type == "Container"
		value := range_default(entry, section, resource)
		positive(value)
	]
	count(values) > 0
}

# True for an init container that ends, if a main container has a request: the request of a pod is the larger one of its init
# containers and of the sum of its main containers (Kubernetes docs, Init Containers).
is_covered(container, resource) if {
	container.type == "init"
	object.get(container, "restartPolicy", "") != "Always"
	some main in input.workload.containers
	main.type == "container"
	effective(main, "requests", resource)
}

# Default of an entry of a LimitRange: the first of these fields (Kubernetes API, defaults of LimitRangeItem).
range_default(entry, section, resource) := [value |
	some field in {"limits": ["default", "max"], "requests": ["defaultRequest", "default", "max", "min"]}[section]
	value := entry[field][resource]
][0]
