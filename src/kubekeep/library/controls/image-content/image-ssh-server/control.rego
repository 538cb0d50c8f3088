package kubekeep.controls.image_ssh_server

import data.kubekeep.lib.container_image
import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("%s.ports[%d]", [path, number]),
	"message": sprintf("port %s is for SSH", [port]),
} if {
	some path, step in dockerfile.image_steps
	some number, port in step.ports
	ssh_port(port)
}

violation contains {
	"path": sprintf("%s.command[%d]", [path, dockerfile.position(command, number)]),
	"message": sprintf("%s installs the SSH server %s", [command.program, word]),
} if {
	some path, command in dockerfile.image_commands
	command.program in {"apt", "apt-get", "apk", "dnf", "microdnf", "yum", "zypper", "tdnf", "pacman"}
	some number, word in dockerfile.arguments(command)
	regex.match(sprintf(`^(?:%s)(?:[=<>~].*)?$`, [servers]), word)
}

violation contains {"path": path, "message": "an SSH server is started"} if {
	some path, command in dockerfile.image_commands
	command.program in {"sshd", "dropbear"}
}

violation contains {"path": path, "message": "an SSH server is started"} if {
	some path, command in dockerfile.image_commands
	command.program in {"service", "systemctl", "rc-service"}
	some word in dockerfile.arguments(command)
	word in {"ssh", "sshd"}
}

violation contains {
	"path": sprintf("config.ExposedPorts[\"%s\"]", [port]),
	"message": sprintf("port %s is for SSH", [port]),
} if {
	some port, _ in input.object.config.ExposedPorts
	ssh_port(port)
}

violation contains {
	"path": sprintf("packages[%d]", [number]),
	"message": sprintf("the SSH server %s is installed%s", [entry.purl, container_image.origin(entry)]),
} if {
	some number, entry in input.object.packages
	regex.match(sprintf(`^pkg:(?:deb|rpm|apk|alpm)/(?:[^/]+/)?(?:%s)(?:@|$)`, [servers]), entry.purl)
}

# `openssh` is the server too in Alpine and Arch.
servers := "openssh-server|openssh-server-pam|dropbear|dropbear-bin|openssh"

ssh_port(port) if regex.match(`^(?:22|2222)(?:/tcp)?$`, port)
