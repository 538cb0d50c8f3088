# Service accounts of workloads: whether pods hold a token, and what it is good for.
package kubekeep.lib.accounts

import data.kubekeep.lib.place

# Whether the API server mounts a token into pods with this spec. The pod's own word is the last (Kubernetes docs,
# Configure Service Accounts for Pods).
mounts(spec) if {
	object.get(spec, "automountServiceAccountToken", null) == true
	not mirrored(input.object)
} else if {
	object.get(spec, "automountServiceAccountToken", null) == null
	not declined(place.namespace_of(input.object), place.account_of(spec))
	not mirrored(input.object)
}

# The API server gives no token to the mirror of a static pod.
mirrored(pod) if pod.metadata.annotations["kubernetes.io/config.mirror"]

# Files may define an account several times; it declines if all of them say so.
declined(namespace, name) if {
	accounts := input.cluster.named.ServiceAccount[namespace][name]
	every item in accounts {
		item.automountServiceAccountToken == false
	}
}

# Whether pods with this spec hold a token that the API server takes, mounted by it or by a volume of their own.
holds_token(spec) if {
	mounts(spec)
} else if {
	token := spec.volumes[_].projected.sources[_].serviceAccountToken
	object.get(token, "audience", null) in {null, ""}
}

# The grants of an account that hold in the whole cluster, its own and those of the groups that it is in.
cluster_wide(namespace, name) := [grant |
	some grants in [
		object.get(input.cluster.grants.accounts, [namespace, name], []),
		object.get(input.cluster.grants.namespaces, namespace, []),
		input.cluster.grants.all,
	]
	some grant in grants
	grant.binding.kind == "ClusterRoleBinding"
]

# Where a workload names its account, or would.
path(workload) := sprintf("%s.serviceAccount", [workload.path]) if {
	place.said(workload.spec.serviceAccount)
	not place.said(workload.spec.serviceAccountName)
} else := sprintf("%s.serviceAccountName", [workload.path])

# Whether a subject of a binding is one service account, by either of its names.
named(subject, name) if {
	subject.kind == "ServiceAccount"
	subject.name == name
} else if {
	subject.kind == "User"
	regex.match(`^system:serviceaccount:[^:]+:[^:]+$`, subject.name)
	split(subject.name, ":")[3] == name
}
