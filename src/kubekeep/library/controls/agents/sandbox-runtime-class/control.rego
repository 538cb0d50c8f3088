package kubekeep.controls.sandbox_runtime_class

violation contains {"path": "spec.podTemplate.spec.runtimeClassName", "message": message} if {
	not hardened
}

hardened if input.object.spec.podTemplate.spec.runtimeClassName in input.params.hardenedSandboxRuntimeClasses

message := sprintf("runtimeClassName is %v, expected one of: %s", [name, approved]) if {
	name := input.object.spec.podTemplate.spec.runtimeClassName
	not name in {"", null}
	approved := concat(", ", input.params.hardenedSandboxRuntimeClasses)
} else := "runtimeClassName is not set: the default runtime of the node is used"
