package kubekeep.controls.image_world_writable_files

import data.kubekeep.lib.container_image
import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("files[%d]", [number]),
	"message": sprintf("%s has the mode %s%s", [file.path, file.mode, container_image.origin(file)]),
} if {
	some number, file in input.object.files
	"worldWritable" in file.kinds
	not allowed(file.path)
}

violation contains {"path": path, "message": sprintf("chmod %s: everyone may write", [mode])} if {
	some path, command in dockerfile.image_commands
	command.program == "chmod"
	words := [word | some word in dockerfile.arguments(command); not regex.match(`^(?:-[RfvcHLP]+|--\w+.*)$`, word)]
	mode := words[0]
	everyone_writes(mode)
	paths := array.slice(words, 1, count(words))
	not all_allowed(paths)
}

violation contains {
	"path": sprintf("%s.flags.chmod", [path]),
	"message": sprintf("--chmod=%s: everyone may write", [mode]),
} if {
	some path, step in dockerfile.image_steps
	mode := step.flags.chmod
	everyone_writes(mode)
}

# Octal modes without the sticky bit, and symbolic modes for others or all.
everyone_writes(mode) if regex.match(`^0*[0246]?[0-7]{2}[2367]$`, mode)

everyone_writes(mode) if regex.match(`(?:^|,)[ug]*[oa][ugoa]*[+=][rxXst]*w`, mode)

all_allowed(paths) if {
	count(paths) > 0
	every path in paths {
		allowed(path)
	}
}

allowed(path) if path in input.params.worldWritablePathsAllowed

allowed(path) if {
	some pattern in input.params.worldWritablePathsAllowed
	contains(pattern, "*")
	glob.match(pattern, ["/"], path)
}
