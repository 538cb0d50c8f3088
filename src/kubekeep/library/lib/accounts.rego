# Service accounts of workloads: tokens in pods and their permissions.
package kubekeep.lib.accounts

import data.kubekeep.lib.identity

# True if the API server mounts a token into pods with this spec. The field of the pod overrides that of the account
# (Kubernetes docs, Configure Service Accounts for Pods).
mounts(spec) if {
	object.get(spec, "automountServiceAccountToken", null) == true
	not mirrored(input.object)
} else if {
	object.get(spec, "automountServiceAccountToken", null) == null
	not opts_out(identity.namespace_of(input.object), identity.account_of(spec))
	not mirrored(input.object)
}

# The API server mounts no token into mirror pods of static pods.
mirrored(pod) if pod.metadata.annotations["kubernetes.io/config.mirror"]

# Files may define an account several times. It opts out only if all definitions do.
opts_out(namespace, name) if {
	accounts := input.cluster.named.ServiceAccount[namespace][name]
	every account in accounts {
		account.automountServiceAccountToken == false
	}
}

# True if pods with this spec have a valid token, mounted automatically or by a volume of the pod.
holds_token(spec) if {
	mounts(spec)
} else if {
	token := spec.volumes[_].projected.sources[_].serviceAccountToken
	object.get(token, "audience", null) in {null, ""}
}

# Cluster-wide grants of an account and of its groups.
cluster_wide(namespace, name) := [grant |
	some grants in [
		object.get(input.cluster.grants.accounts, [namespace, name], []),
		object.get(input.cluster.grants.namespaces, namespace, []),
		input.cluster.grants.all,
	]
	some grant in grants
	grant.binding.kind == "ClusterRoleBinding"
]

# Reasons that the permissions of an account are unknown: bindings to roles that are not in the input. grants: those that
# `cluster_wide` returns for the account.
unknown_roles(grants, namespace, name) := {message |
	some grant in grants
	grant.role == null
	message := sprintf("the rules of %s %s, to which service account %s/%s is bound, are not in the input", [
		grant.binding.roleRef.kind,
		grant.binding.roleRef.name,
		namespace,
		name,
	])
}

# Reason that the permissions of an account are unknown: no binding in the files names it, but one elsewhere may.
unknown_bindings(namespace, name) := {message |
	not input.cluster.grants.complete
	not input.cluster.grants.bound[namespace][name]
	message := sprintf("no binding in the input names service account %s/%s, so its permissions are unknown", [namespace, name])
}

# Path of the account name in a workload, also if the field is missing.
path(workload) := sprintf("%s.serviceAccount", [workload.path]) if {
	identity.non_empty(workload.spec.serviceAccount)
	not identity.non_empty(workload.spec.serviceAccountName)
} else := sprintf("%s.serviceAccountName", [workload.path])

# True if a subject of a binding is the service account, by its kind or its user name.
named(subject, name) if {
	subject.kind == "ServiceAccount"
	subject.name == name
} else if {
	subject.kind == "User"
	regex.match(`^system:serviceaccount:[^:]+:[^:]+$`, subject.name)
	split(subject.name, ":")[3] == name
}
