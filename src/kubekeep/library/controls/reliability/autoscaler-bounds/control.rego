package kubekeep.controls.autoscaler_bounds

import data.kubekeep.lib.replicas

least := replicas.minimum(input.object)

most := input.object.spec.maxReplicas if is_number(input.object.spec.maxReplicas)

violation contains {"path": "spec.minReplicas", "message": message} if {
	least < 2
	message := sprintf("minReplicas is %d, expected 2 or more", [least])
}

violation contains {"path": "spec.maxReplicas", "message": message} if {
	most <= least
	message := sprintf("maxReplicas is %d and minReplicas is %d: the autoscaler cannot scale", [most, least])
}

not_evaluated contains "spec.minReplicas is not a number" if not least

not_evaluated contains "spec.maxReplicas is not a number" if not most
