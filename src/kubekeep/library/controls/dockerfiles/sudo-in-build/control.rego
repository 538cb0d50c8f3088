package kubekeep.controls.sudo_in_build

import data.kubekeep.lib.dockerfile

violation contains {"path": sprintf("%s.command[%d]", [path, number]), "message": "a command runs with sudo"} if {
	some path, command in dockerfile.image_commands
	some number, word in command.command
	number < command.programAt
	regex.match(`^(?:/\S*/)?sudo$`, word)
}

violation contains {
	"path": sprintf("%s.command[%d]", [path, dockerfile.position(command, number)]),
	"message": sprintf("%s installs sudo", [command.program]),
} if {
	some path, command in dockerfile.image_commands
	command.program in {"apt", "apt-get", "apk", "dnf", "microdnf", "yum", "zypper", "tdnf", "pacman"}
	some number, word in dockerfile.arguments(command)
	regex.match(`^sudo(?:[=<>~].*)?$`, word)
	some verb in dockerfile.arguments(command)
	verb in {"install", "add", "-S", "-Sy", "-Syu"}
}
