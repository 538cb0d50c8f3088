package kubekeep.controls.copied_build_context

import data.kubekeep.lib.dockerfile

violation contains {
	"path": path,
	"message": "the whole build context is copied, and there is no .dockerignore",
} if {
	some path in copies
	input.object.context.hasIgnoreFile == false
}

not_evaluated contains "it is unknown if the build context has a .dockerignore" if {
	count(copies) > 0
	not is_boolean(input.object.context.hasIgnoreFile)
}

copies contains sprintf("%s.sources[%d]", [path, number]) if {
	some path, step in dockerfile.image_steps
	step.instruction in {"ADD", "COPY"}
	not step.from
	some number, source in step.sources
	source in {".", "./", "*", "./*", "/"}
}
