# Network policies of Kubernetes and Cilium, indexed by the labels that they select.
package kubekeep.lib.network

import data.kubekeep.lib.selectors

# Labels that Cilium adds to the pods of a namespace (Cilium docs, Special Identities).
namespace_labels(namespace) := object.union(
	{
		"io.kubernetes.pod.namespace": namespace,
		"io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": namespace,
	},
	{sprintf("io.cilium.k8s.namespace.labels.%s", [key]): value |
		some key, value in labels_of(namespace)
	},
)

# Labels of a namespace. Files may define it several times; the last definition applies, as with `kubectl apply`.
labels_of(namespace) := labels if {
	defined := input.cluster.named.Namespace["default"][namespace]
	labels := defined[count(defined) - 1].metadata.labels
	is_object(labels)
} else := {}

# True if a label is one of these: it describes the namespace, not the pod.
of_namespace(key) if startswith(key, "io.kubernetes.pod.namespace")

of_namespace(key) if startswith(key, "io.cilium.k8s.namespace.labels.")

# Labels by which policies select the pods of the workload. Labels that only Cilium supports are looked up
# only if there are Cilium policies.
pod_labels(namespace, account) := object.union(
	own_labels,
	object.union(namespace_labels(namespace), {"io.cilium.k8s.policy.serviceaccount": account}),
) if {
	some kind in ["cilium.io/CiliumNetworkPolicy", "cilium.io/CiliumClusterwideNetworkPolicy"]
	count(input.cluster.objects[kind]) > 0
} else := own_labels

own_labels := object.union(template_labels, controller_labels)

default template_labels := {}

template_labels := input.workload.metadata.labels if is_object(input.workload.metadata.labels)

# Labels that controllers add to the pods (Kubernetes docs, Well-Known Labels). `?` stands for an unknown value: it is no
# valid one.
controller_labels := {"pod-template-hash": "?"} if {
	input.object.kind == "Deployment"
} else := {
	"apps.kubernetes.io/pod-index": "?",
	"controller-revision-hash": "?",
	"statefulset.kubernetes.io/pod-name": "?",
} if {
	input.object.kind == "StatefulSet"
} else := {"controller-revision-hash": "?", "pod-template-generation": "?"} if {
	input.object.kind == "DaemonSet"
} else := {
	"batch.kubernetes.io/controller-uid": "?",
	"batch.kubernetes.io/job-name": job_name,
	"controller-uid": "?",
	"job-name": job_name,
} if {
	job_name := {"Job": input.object.metadata.name, "CronJob": "?"}[input.object.kind]
} else := {}

# Directions, `egress` and `ingress`, in which policies isolate a pod with these labels. Namespaced
# policies apply in their namespace only; cluster-wide policies are under "".
isolated(namespace, labels) := {direction |
	some scope in [namespace, ""]
	some direction in input.cluster.isolation[scope].all
} | {direction |
	some selection in candidates(namespace, labels)
	selectors.selects(selection, labels)
	some direction in selection.directions
}

# Policies that allow all traffic of a pod with these labels, by direction, unless a Cilium policy denies some of it.
opened(namespace, labels) := {direction: policies |
	some scope in [namespace, ""]
	input.cluster.isolation[scope].has_open
	some direction in ["egress", "ingress"]
	not direction in denied(namespace, labels)
	policies := opening(namespace, labels, direction)
	count(policies) > 0
}

opening(namespace, labels, direction) := {policy |
	some scope in [namespace, ""]
	policy := input.cluster.isolation[scope].opened[direction]
} | {policy |
	some selection in candidates(namespace, labels)
	policy := selection.opened[direction]
	selectors.selects(selection, labels)
}

denied(namespace, labels) := {direction |
	some scope in [namespace, ""]
	some direction in input.cluster.isolation[scope].denied
} | {direction |
	some selection in candidates(namespace, labels)
	some direction in selection.denied
	selectors.selects(selection, labels)
}

candidates(namespace, labels) := {selection |
	some scope in [namespace, ""]
	policies := input.cluster.isolation[scope]
	some key, value in labels
	value != "?"
	some selection in policies.by_label[sprintf("%s=%v", [key, value])]
} | {selection |
	some scope in [namespace, ""]
	policies := input.cluster.isolation[scope]
	some key, _ in labels
	some selection in policies.by_key[key]
} | {selection |
	some scope in [namespace, ""]
	some selection in input.cluster.isolation[scope].other
}

# Policies of kinds that are not read, by kind and name. They may isolate pods of the namespace.
unread(namespace) := {sprintf("%s %v", [policy.kind, object.get(policy, ["metadata", "name"], "")]) |
	some scope, kinds in {"default": cluster_wide, namespace: own}
	some kind in kinds
	policy := input.cluster.objects[kind][scope][_]
}

cluster_wide := [
	"AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy",
	"crd.antrea.io/ClusterNetworkPolicy",
	"crd.projectcalico.org/GlobalNetworkPolicy", "projectcalico.org/GlobalNetworkPolicy",
]

own := ["crd.antrea.io/NetworkPolicy", "crd.projectcalico.org/NetworkPolicy", "projectcalico.org/NetworkPolicy"]

# Reason why the isolation of the pods of a namespace is not known.
unknown(policies) := sprintf("policies of kinds that are not read may isolate the pods: %s", [listed]) if {
	count(policies) > 0
	listed := concat(", ", array.slice(sort(policies), 0, 3))
}
