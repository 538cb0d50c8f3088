package kubekeep.controls.image_credentials

import data.kubekeep.controls.credentials_in_configuration as configuration
import data.kubekeep.lib.container_image
import data.kubekeep.lib.dockerfile

# The name of a variable is no evidence of its own.
violation contains {"path": path, "message": message} if {
	some found in matches
	not endswith(found.path, ".name")
	path := object.get(image_paths, found.path, found.path)
	message := object.get(image_messages, found.path, found.message)
}

matches := found if {
	found := configuration.violation with input as {
		"workload": {"containers": parts},
		"object": {},
		"params": {
			"sensitiveKeyNames": input.params.sensitiveKeyNames,
			"sensitiveKeyNamesAllowed": input.params.sensitiveKeyNamesAllowed,
			"sensitiveValues": input.params.sensitiveValues,
			"sensitiveValuesAllowed": input.params.sensitiveValuesAllowed,
		},
	}
}

# Input of the rule for workloads, with lists that have the same names in both.
parts := array.concat(
	array.concat(
		[{"path": path, "env": step.env} | some path, step in declarations],
		[{"path": path, "env": [label]} |
			some step_path, step in dockerfile.steps
			some number, label in step.labels
			path := sprintf("%s.labels[%d]", [step_path, number])
		],
	),
	array.concat(
		[{"path": path, "command": command.command} | some path, command in dockerfile.commands],
		image_parts,
	),
)

declarations := object.union(dockerfile.steps, {path: argument |
	some number, argument in input.object.arguments
	path := sprintf("arguments[%d]", [number])
})

image_parts := array.concat(
	array.concat(
		[{"path": sprintf("config.Env[%d]", [number]), "env": [variable]} |
			some number, variable in container_image.variables
		],
		[{"path": label_path(name), "env": [{"name": name, "value": value}]} |
			some name, value in input.object.config.Labels
		],
	),
	array.concat(history_variables, history_commands),
)

history_variables := [{"path": sprintf("history[%d]", [number]), "env": variables} |
	some number
	line := input.object.history[number].createdBy
	instruction := regex.find_all_string_submatch_n(`(?s)^(?:/bin/sh -c #\(nop\)\s*)?(ENV|ARG|LABEL)\s+(.*)$`, line, 1)[0]
	variables := [variable |
		some found in regex.find_all_string_submatch_n(`(?:^|\s)([A-Za-z_][\w.-]*)=("[^"]*"|'[^']*'|\S*)`, instruction[2], -1)
		variable := {"name": found[1], "value": trim(found[2], `"'`)}
	]
]

# The history has the values of arguments before a command: `|1 TOKEN=x /bin/sh -c ...`.
history_commands := [{"path": sprintf("history[%d]", [number]), "command": words} |
	some number
	line := input.object.history[number].createdBy
	regex.match(`^(?:RUN |\|[0-9]+ |/bin/sh -c [^#]|CMD |ENTRYPOINT |HEALTHCHECK )`, line)
	words := [word | some word in regex.split(`\s+`, line); word != ""]
]

label_path(name) := sprintf("config.Labels[\"%s\"]", [replace(replace(name, `\`, `\\`), `"`, `\"`)])

image_paths[found.path] := path if {
	some found in matches
	regex.match(`^(?:config|history)`, found.path)
	path := regex.replace(found.path, `\.(?:env|command)\[[0-9]+\](?:\.value)?$`, "")
}

image_paths[found.path] := path if {
	some found in matches
	regex.match(`\.labels\[[0-9]+\]\.env\[0\]\.value$`, found.path)
	path := sprintf("%s.value", [trim_suffix(found.path, ".env[0].value")])
}

image_messages[found.path] := message if {
	some found in matches
	startswith(found.path, "history[")
	some number, entry in input.object.history
	startswith(found.path, sprintf("history[%d].", [number]))
	message := sprintf("%s%s", [
		regex.replace(found.message, `^history\[[0-9]+\]\.command`, "the history"),
		layer(object.get(entry, "layer", "")),
	])
}

layer(digest) := sprintf(" (layer %s)", [container_image.short(digest)]) if {
	digest != ""
} else := " (no layer)"
