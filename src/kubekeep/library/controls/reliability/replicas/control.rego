package kubekeep.controls.replicas

import data.kubekeep.lib.replicas

violation contains {"path": "spec.replicas", "message": message} if {
	replicas.written(input.object) == 1
	count(replicas.autoscalers(input.object)) == 0
	not replicas.is_scaled_by_keda(input.object)
}

message := "replicas is not set: the workload runs a single pod" if {
	object.get(input.object, ["spec", "replicas"], null) == null
} else := "replicas is 1: the workload runs a single pod"

not_evaluated contains "spec.replicas is not a number" if not replicas.written(input.object)
