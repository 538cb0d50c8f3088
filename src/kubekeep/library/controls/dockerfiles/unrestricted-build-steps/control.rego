package kubekeep.controls.unrestricted_build_steps

import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("%s.flags.%s", [path, flag]),
	"message": sprintf("--%s=%s", [flag, value]),
} if {
	some path, step in dockerfile.steps
	step.instruction == "RUN"
	some flag, value in {"security": "insecure", "network": "host"}
	step.flags[flag] == value
}
