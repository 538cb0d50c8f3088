# Numbers of pods of Deployments and StatefulSets, and the budgets for their disruption.
package kubekeep.lib.replicas

import data.kubekeep.lib.identity
import data.kubekeep.lib.selectors

# `replicas` of a Deployment or StatefulSet; the API server sets 1.
written(workload) := 1 if object.get(workload, ["spec", "replicas"], null) == null

written(workload) := workload.spec.replicas if is_number(workload.spec.replicas)

# Smallest number of pods: of an autoscaler, which is off if `replicas` is 0, or as written.
least(workload) := number if {
	written(workload) > 0
	number := minimum(autoscalers(workload)[0])
} else := number if {
	number := keda_minimum(scalers(workload)[0])
} else := written(workload)

autoscalers(workload) := [autoscaler |
	autoscaler := input.cluster.objects.HorizontalPodAutoscaler[identity.namespace_of(workload)][_]
	target := autoscaler.spec.scaleTargetRef
	target.kind == workload.kind
	target.name == workload.metadata.name
	split(object.get(target, "apiVersion", "apps/v1"), "/")[0] in {"apps", "extensions"}
]

# True if a ScaledObject of KEDA sets the replicas: KEDA creates a HorizontalPodAutoscaler for it. The kind of its target
# is Deployment if it is not set (KEDA docs, ScaledObject specification).
is_scaled_by_keda(workload) if count(scalers(workload)) > 0

scalers(workload) := [scaler |
	scaler := input.cluster.objects["keda.sh/ScaledObject"][identity.namespace_of(workload)][_]
	target := scaler.spec.scaleTargetRef
	target.name == workload.metadata.name
	object.get(target, "kind", "Deployment") == workload.kind
]

# KEDA removes all pods if `minReplicaCount` is not set (KEDA docs, ScaledObject specification).
keda_minimum(scaler) := number if {
	number := scaler.spec.minReplicaCount
	is_number(number)
} else := 0

# `minReplicas` of an autoscaler; the API server sets 1.
minimum(autoscaler) := 1 if object.get(autoscaler, ["spec", "minReplicas"], null) == null

minimum(autoscaler) := autoscaler.spec.minReplicas if is_number(autoscaler.spec.minReplicas)

# True if the PodDisruptionBudget selects pods with these labels. An empty selector selects all pods, but none in
# policy/v1beta1 (API reference, PodDisruptionBudgetSpec).
protects(budget, labels) if {
	selector := budget.spec.selector
	is_object(selector)
	selection := {
		"labels": {key: value | some key, value in selector.matchLabels},
		"expressions": [expression | some expression in selector.matchExpressions],
	}
	is_usable(budget, selection)
	selectors.selects(selection, labels)
}

is_usable(budget, _) if budget.apiVersion != "policy/v1beta1"

is_usable(_, selection) if count(selection.labels) + count(selection.expressions) > 0
