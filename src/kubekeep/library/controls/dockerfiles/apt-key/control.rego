package kubekeep.controls.apt_key

import data.kubekeep.lib.dockerfile

violation contains {"path": path, "message": "apt-key adds a key for all repositories"} if {
	some path, command in dockerfile.commands
	command.program == "apt-key"
	some word in dockerfile.arguments(command)
	word in {"add", "adv"}
}
