# Walking what cloud providers tell of a cluster, its registries and its policies, place by place.
#
# A place is a path with the value there. Keys count in any spelling, so that what Go's client library writes
# (`EndpointPrivateAccess`), the APIs (`endpointPrivateAccess`) and protocol buffers (`endpoint_private_access`) are
# one; paths keep the spelling of the document. What is missing has the value null.
package kubekeep.lib.description

import data.kubekeep.lib.cloud

whole := {"path": "data", "value": object.get(input.object, "data", null)}

# The description of the cluster itself: what EKS wraps in `cluster` and Azure's API in `properties`, or the same
# without that, as command line tools can print it.
cluster := place if {
	place := at(whole, object.get({"eks": "cluster", "aks": "properties"}, cloud.provider, ""))
	is_object(place.value)
} else := whole if {
	cloud.provider != "eks"
} else := whole if {
	at(whole, "resourcesVpcConfig").value != null
} else := {"path": "data.cluster", "value": null}

# There is something to judge. What a description does not mention has the platform's default.
described if {
	is_object(cluster.value)
	cluster.value[_] != null
}

at(place, name) := {"path": sprintf("%s.%s", [place.path, key]), "value": place.value[key]} if {
	is_object(place.value)
	found := [key | some key, value in place.value; value != null; plain(key) == plain(name)]
	key := found[0]
} else := {"path": sprintf("%s.%s", [place.path, name]), "value": null}

# The places of the items of a list; none if it is not a list.
items(place) := [{"path": sprintf("%s[%d]", [place.path, index]), "value": item} |
	is_array(place.value)
	some index, item in place.value
]

plain(key) := lower(replace(key, "_", ""))

yes(value) if value == true

yes(value) if {
	is_string(value)
	lower(value) == "true"
}

# What may be written as one item or as a list of them.
list(value) := value if {
	is_array(value)
} else := [] if {
	value == null
} else := [value]

# Whether a pattern of IAM or Azure RBAC, in which `*` stands for anything, names an action. Case does not count.
matches(pattern, action) if regex.match(sprintf("^%s$", [wildcards(pattern)]), lower(action))

wildcards(pattern) := replace(replace(replace(lower(pattern), ".", `\.`), "*", ".*"), "?", ".")
