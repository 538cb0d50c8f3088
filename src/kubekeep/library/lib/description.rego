# Navigation in the description of a cluster, its registries and its policies by a cloud provider.
#
# A field is an object with a path and the value at it. Keys match in any spelling: Go's client library writes
# `EndpointPrivateAccess`, the APIs `endpointPrivateAccess`, and protocol buffers `endpoint_private_access`.
# Paths keep the spelling of the document. A missing field has the value null.
package kubekeep.lib.description

import data.kubekeep.lib.cloud

whole := {"path": "data", "value": object.get(input.object, "data", null)}

# The cluster object: EKS wraps it in `cluster` and the Azure API in `properties`; command line tools may print it
# without the wrapper.
cluster := field if {
	field := at(whole, object.get({"eks": "cluster", "aks": "properties"}, cloud.provider, ""))
	is_object(field.value)
} else := whole if {
	cloud.provider != "eks"
} else := whole if {
	at(whole, "resourcesVpcConfig").value != null
} else := {"path": "data.cluster", "value": null}

# True if the description has content. Missing fields have the default of the platform.
described if {
	is_object(cluster.value)
	cluster.value[_] != null
}

# Minor version of Kubernetes of the cluster; undefined if the description does not contain it.
minor := to_number(match[0][1]) if {
	name := {"eks": "version", "gke": "currentMasterVersion", "aks": "kubernetesVersion"}[cloud.provider]
	match := regex.find_all_string_submatch_n(`^1\.([0-9]+)`, at(cluster, name).value, 1)
	count(match) > 0
}

at(field, name) := {"path": sprintf("%s.%s", [field.path, key]), "value": field.value[key]} if {
	is_object(field.value)
	keys := [key | some key, value in field.value; value != null; plain(key) == plain(name)]
	key := keys[0]
} else := {"path": sprintf("%s.%s", [field.path, spelled(field, name)]), "value": null}

# Name of a field without a value, in the spelling of the document if it occurs there.
spelled(field, name) := keys[0] if {
	is_object(field.value)
	keys := [key | some key in object.keys(field.value); plain(key) == plain(name)]
	count(keys) > 0
} else := name

# Entries of a list as fields; empty for other values.
entries(field) := [{"path": sprintf("%s[%d]", [field.path, index]), "value": entry} |
	is_array(field.value)
	some index, entry in field.value
]

plain(key) := lower(replace(key, "_", ""))

yes(value) if value == true

yes(value) if {
	is_string(value)
	lower(value) == "true"
}

# Value that may be a single entry or a list, as a list.
list(value) := value if {
	is_array(value)
} else := [] if {
	value == null
} else := [value]

# True if a pattern of IAM or Azure RBAC matches an action. `*` matches any text; case is ignored.
matches(pattern, action) if regex.match(sprintf("^%s$", [wildcards(pattern)]), lower(action))

wildcards(pattern) := replace(replace(replace(lower(pattern), ".", `\.`), "*", ".*"), "?", ".")
