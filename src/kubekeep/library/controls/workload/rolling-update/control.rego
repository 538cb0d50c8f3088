package kubekeep.controls.rolling_update

violation contains {
	"path": "spec.strategy.type",
	"fix": "RollingUpdate",
	"message": sprintf("an update with the strategy %v stops all pods first", [type]),
} if {
	type := input.object.spec.strategy.type
	not type in {"RollingUpdate", "", null}
}
