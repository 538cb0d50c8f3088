package kubekeep.controls.verification_disabled

import data.kubekeep.lib.dockerfile

# An option of one word can be removed.
violation contains {
	"path": sprintf("%s.command[%d]", [path, dockerfile.position(command, number)]),
	"delete": true,
	"message": sprintf("%s %s: no verification", [command.program, word]),
} if {
	some path, command in dockerfile.commands
	some number, word in dockerfile.arguments(command)
	some [programs, option] in options
	command.program in programs
	regex.match(option, word)
}

violation contains {
	"path": sprintf("%s.command[%d]", [path, dockerfile.position(command, number)]),
	"message": sprintf("%s %s: no verification", [command.program, word]),
} if {
	some path, command in dockerfile.commands
	some number, word in dockerfile.arguments(command)
	some [programs, option] in other_options
	command.program in programs
	regex.match(option, word)
	not stays(command, word)
}

violation contains {"path": path, "message": sprintf("%s turns off the verification of certificates", [name])} if {
	some path, name in variables
}

options := [
	[{"curl"}, `^--(?:proxy-)?insecure$|^-k$`],
	[{"wget", "wget2"}, `^--no-check-certificate$`],
	[{"apt", "apt-get"}, `^--(?:allow-unauthenticated|force-yes|allow-insecure-repositories)$`],
	[{"yum", "dnf", "microdnf", "tdnf"}, `^--nogpgcheck$`],
	[{"zypper"}, `^--no-gpg-checks?$`],
	[{"apk"}, `^--allow-untrusted$`],
	[{"rpm"}, `^--(?:nosignature|nodigest)$`],
]

other_options := [
	[{"curl"}, `^-[a-zA-Z]*k[a-zA-Z]*$`],
	[{"pip", "pip3", "uv", "python", "python3"}, `^--(?:trusted-host|allow-insecure-host)(?:=|$)`],
	[{"apt", "apt-get"}, `(?i)(?:AllowUnauthenticated|AllowInsecureRepositories)=(?:true|1|yes)|Verify-(?:Peer|Host)=(?:false|0|no)`],
	[{"git"}, `(?i)^http\.sslverify(?:=(?:false|0|no))?$`],
	[{"npm", "yarn", "pnpm"}, `^--?-?strict-ssl(?:=(?:false|0))?$|^strict-ssl$`],
	[{"yum", "dnf", "microdnf", "tdnf"}, `^--setopt=(?:\S*\.)?(?:gpgcheck|sslverify)=(?:0|false|no)$`],
]

# A setting with a value in the next word is compared with that.
stays(command, word) if {
	word in {"http.sslVerify", "http.sslverify", "strict-ssl", "--strict-ssl", "-strict-ssl"}
	some number
	command.command[number] == word
	not lower(command.command[number + 1]) in {"false", "0", "no"}
}

# The single letter is listed above, and a longer group of letters may have it as a value.
stays(command, word) if {
	command.program == "curl"
	word == "-k"
}

stays(command, word) if {
	command.program == "curl"
	regex.match(`^-[a-zA-Z]*[oHXduAeTbcmrxwyYzCDEFKPQU][a-zA-Z]*k`, word)
}

# Variables of ENV and ARG, and assignments before a command.
variables[sprintf("%s.env[%d].value", [path, number])] := variable.name if {
	some path, step in dockerfile.steps
	some number, variable in step.env
	turns_off(variable.name, object.get(variable, "value", ""))
}

variables[sprintf("%s.command[%d]", [path, number])] := name if {
	some path, command in dockerfile.commands
	some number, word in command.command
	number < command.programAt
	[name, value] := split(word, "=")
	turns_off(name, value)
}

variables[sprintf("%s.command[%d]", [path, dockerfile.position(command, number)])] := name if {
	some path, command in dockerfile.commands
	command.program == "export"
	some number, word in dockerfile.arguments(command)
	[name, value] := split(word, "=")
	turns_off(name, value)
}

turns_off(name, value) if {
	name in {"NODE_TLS_REJECT_UNAUTHORIZED", "PYTHONHTTPSVERIFY"}
	value == "0"
}

turns_off(name, value) if {
	name in {"GIT_SSL_NO_VERIFY", "PIP_TRUSTED_HOST", "UV_INSECURE_HOST", "npm_config_insecure"}
	not lower(value) in {"", "0", "false", "no"}
}

turns_off(name, value) if {
	lower(name) == "npm_config_strict_ssl"
	lower(value) in {"0", "false", "no"}
}
