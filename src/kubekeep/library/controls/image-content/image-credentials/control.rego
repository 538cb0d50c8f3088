package kubekeep.controls.image_credentials

import data.kubekeep.lib.container_image
import data.kubekeep.lib.credentials
import data.kubekeep.lib.dockerfile

violation contains {"path": path, "message": message} if {
	some path, variable in variables
	message := problem(variable)
}

violation contains {"path": sprintf("%s.command[%d]", [path, number]), "message": message} if {
	some path, command in dockerfile.commands
	some number, word in command.command
	credential := credentials.credential_in(word, array.slice(command.command, 0, number))
	not credentials.harmless(word)
	message := sprintf("%s has %s as an argument", [command.program, credential])
}

violation contains {
	"path": sprintf("history[%d]", [number]),
	"message": sprintf("%s%s", [message, container_image.origin(input.object.history[number])]),
} if {
	some number, entries in history_variables
	some variable in entries
	message := problem(variable)
}

violation contains {
	"path": sprintf("history[%d]", [number]),
	"message": sprintf("a command has %s as an argument%s", [
		credential,
		container_image.origin(input.object.history[number]),
	]),
} if {
	some number, words in history_commands
	some index, word in words
	credential := credentials.credential_in(word, array.slice(words, 0, index))
	not credentials.harmless(word)
}

not_evaluated contains sprintf("sensitiveValues: %q is not a valid regular expression", [pattern]) if {
	some pattern in input.params.sensitiveValues
	not regex.is_valid(pattern)
}

not_evaluated contains container_image.without_configuration

problem(variable) := message if {
	trim_space(variable.value) != ""
	message := credentials.problem(variable.name, variable.value, secret_words, true)
}

secret_words := [lower(word) | some word in input.params.sensitiveKeyNames]

# Variables and labels by the path of their value.
variables[sprintf("%s.env[%d].value", [path, number])] := variable if {
	some path, step in dockerfile.steps
	some number, variable in step.env
	not dockerfile.unresolved(variable.value)
}

variables[sprintf("%s.labels[%d].value", [path, number])] := variable if {
	some path, step in dockerfile.steps
	some number, variable in step.labels
}

variables[sprintf("arguments[%d].env[%d].value", [index, number])] := variable if {
	some index, number
	variable := input.object.arguments[index].env[number]
}

variables[sprintf("config.Env[%d]", [number])] := variable if {
	some number, variable in container_image.variables
}

variables[sprintf("config.Labels[\"%s\"]", [replace(replace(name, `\`, `\\`), `"`, `\"`)])] := variable if {
	some name, value in input.object.config.Labels
	variable := {"name": name, "value": value}
}

# Assignments in instructions of the history by number.
history_variables[number] := [variable |
	some match in regex.find_all_string_submatch_n(`(?:^|\s)([A-Za-z_][\w.-]*)=("[^"]*"|'[^']*'|\S*)`, instruction[2], -1)
	variable := {"name": match[1], "value": trim(match[2], `"'`)}
] if {
	some number, entry in input.object.history
	instruction := regex.find_all_string_submatch_n(
		`(?s)^(?:/bin/sh -c #\(nop\)\s*)?(ENV|ARG|LABEL)\s+(.*)$`,
		entry.createdBy,
		1,
	)[0]
}

# Build arguments precede a command: `|1 TOKEN=x /bin/sh -c ...`.
history_variables[number] := [variable |
	some word in history_commands[number]
	[name, value] := split(word, "=")
	regex.match(`^[A-Za-z_]\w*$`, name)
	variable := {"name": name, "value": value}
] if {
	some number, entry in input.object.history
	regex.match(`^(?:RUN )?\|[0-9]+ `, entry.createdBy)
}

history_commands[number] := [word | some word in regex.split(`\s+`, entry.createdBy); word != ""] if {
	some number, entry in input.object.history
	regex.match(`^(?:RUN |\|[0-9]+ |/bin/sh -c [^#]|CMD |ENTRYPOINT |HEALTHCHECK )`, entry.createdBy)
}
