package kubekeep.controls.spread

import data.kubekeep.lib.replicas

applies if replicas.least(input.object) >= 2

violation contains {"path": sprintf("%s.topologySpreadConstraints", [input.workload.path]), "message": message} if {
	not spread
	message := "neither topologySpreadConstraints nor podAntiAffinity is set"
}

spread if input.workload.spec.topologySpreadConstraints[_]

spread if {
	some field in [
		"preferredDuringSchedulingIgnoredDuringExecution",
		"requiredDuringSchedulingIgnoredDuringExecution",
	]
	input.workload.spec.affinity.podAntiAffinity[field][_]
}
