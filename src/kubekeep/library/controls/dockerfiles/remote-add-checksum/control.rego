package kubekeep.controls.remote_add_checksum

import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("%s.sources[%d]", [path, number]),
	"message": sprintf("%s is added without a checksum", [source]),
} if {
	some path, step in dockerfile.steps
	step.instruction == "ADD"
	not step.flags.checksum
	some number, source in step.sources
	remote(source)
	not regex.match(`#[0-9a-f]{40}(?::|$)`, source)
}

remote(source) if regex.match(`^(?i:https?|git|ssh)://`, source)

remote(source) if regex.match(`^git@[\w.-]+:`, source)
