package kubekeep.controls.rolling_update

violation contains {
	"path": "spec.strategy.type",
	"fix": "RollingUpdate",
	"message": sprintf("strategy.type is %v: an update stops all pods before it starts new ones", [type]),
} if {
	type := input.object.spec.strategy.type
	not type in {"RollingUpdate", "", null}
}
