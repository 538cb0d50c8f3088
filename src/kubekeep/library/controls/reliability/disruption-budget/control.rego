package kubekeep.controls.disruption_budget

import data.kubekeep.lib.identity
import data.kubekeep.lib.replicas

applies if replicas.least(input.object) >= 2

violation contains {"path": "spec.template.metadata.labels", "message": message} if {
	not protected
	message := "no PodDisruptionBudget selects the pods"
}

protected if {
	some budget in input.cluster.objects.PodDisruptionBudget[identity.namespace]
	replicas.protects(budget, object.get(input.workload.metadata, "labels", {}))
}
