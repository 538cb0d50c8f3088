package kubekeep.controls.disruption_allowed

import data.kubekeep.lib.identity
import data.kubekeep.lib.replicas

spec := input.object.spec

violation contains {"path": "spec.maxUnavailable", "message": message} if {
	amount(spec.maxUnavailable, 100) == 0
	message := sprintf("maxUnavailable is %v: no pod can be evicted", [spec.maxUnavailable])
}

violation contains {"path": "spec.minAvailable", "message": message} if {
	percent(spec.minAvailable) >= 100
	message := sprintf("minAvailable is %v: no pod can be evicted", [spec.minAvailable])
}

violation contains {"path": "spec.minAvailable", "message": message} if {
	not percent(spec.minAvailable) >= 100
	total > 0
	amount(spec.minAvailable, total) >= total
	message := sprintf("minAvailable is %v, and the selected workloads have %d replicas: no pod can be evicted", [
		spec.minAvailable,
		total,
	])
}

# The disruption controller expects 0 pods then, and allows no eviction (getExpectedPodCount).
violation contains {
	"path": "spec.maxUnavailable",
	"message": "neither maxUnavailable nor minAvailable is set: no pod can be evicted",
} if {
	object.get(input.object, ["spec", "maxUnavailable"], null) == null
	object.get(input.object, ["spec", "minAvailable"], null) == null
}

not_evaluated contains "the input has no workload that the budget selects, which shows the number of pods" if {
	count(selected) == 0
	amount(spec.minAvailable, 100) > 0
	not percent(spec.minAvailable) >= 100
}

total := sum([number | some workload in selected; number := replicas.least(workload)])

selected := [workload |
	some kind in ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"]
	workload := input.cluster.objects[kind][identity.namespace][_]

	# The pods of a ReplicaSet with an owner are those of its Deployment.
	count(object.get(workload, ["metadata", "ownerReferences"], [])) == 0
	replicas.protects(input.object, object.get(workload, ["spec", "template", "metadata", "labels"], {}))
]

# A number of pods, also as text; percentages are rounded up (disruption controller, GetScaledValueFromIntOrPercent).
amount(value, _) := value if is_number(value)

amount(value, _) := to_number(value) if {
	is_string(value)
	regex.match(`^[0-9]+$`, value)
}

amount(value, whole) := ceil((percent(value) * whole) / 100)

percent(value) := to_number(trim_suffix(value, "%")) if {
	is_string(value)
	regex.match(`^[0-9]+%$`, value)
}
