package kubekeep.controls.image_setuid_files

import data.kubekeep.lib.container_image
import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("files[%d]", [number]),
	"message": sprintf("%s has the %s bit%s", [file.path, kind, container_image.origin(file)]),
} if {
	some number, file in input.object.files
	some kind in file.kinds
	kind in {"setuid", "setgid"}
	not allowed(file.path)
}

violation contains {
	"path": path,
	"message": sprintf("chmod %s sets the setuid or setgid bit", [mode]),
} if {
	some path, command in dockerfile.image_commands
	command.program == "chmod"
	some mode in dockerfile.arguments(command)
	sets_bit(mode)
	not removes_bits(command)
}

violation contains {
	"path": sprintf("%s.flags.chmod", [path]),
	"message": sprintf("--chmod=%s sets the setuid or setgid bit", [mode]),
} if {
	some path, step in dockerfile.image_steps
	mode := step.flags.chmod
	sets_bit(mode)
}

# Symbolic modes such as `u+s`, and octal modes such as 4755. A directory with setgid is common: `2775`.
sets_bit(mode) if regex.match(`^(?:[ugoa,+=rwxX-]*,)?[ua]*[g]*[+=][rwxXt]*s[rwxXst]*(?:,|$)`, mode)

sets_bit(mode) if regex.match(`^0*[4567][0-7]{3}$`, mode)

removes_bits(command) if {
	some mode in dockerfile.arguments(command)
	regex.match(`(?:^|,)[uga]*-[rwxXt]*s`, mode)
}

allowed(path) if path in input.params.setuidPathsAllowed

allowed(path) if {
	some pattern in input.params.setuidPathsAllowed
	contains(pattern, "*")
	glob.match(pattern, ["/"], path)
}
