package kubekeep.controls.secret_build_arguments

import data.kubekeep.lib.dockerfile

violation contains {"path": path, "message": message} if {
	some path, variable in arguments
	is_secret(variable.name)
	message := sprintf("ARG %s: the value of a build argument stays readable", [variable.name])
}

# A default is found by the control for credentials.
arguments[sprintf("%s.env[%d].name", [path, number])] := variable if {
	some path, step in dockerfile.steps
	step.instruction == "ARG"
	some number, variable in step.env
	object.get(variable, "value", "") == ""
}

arguments[sprintf("arguments[%d].env[%d].name", [index, number])] := variable if {
	some index, number
	variable := input.object.arguments[index].env[number]
	object.get(variable, "value", "") == ""
}

is_secret(name) if {
	regex.match(secret_name, name)
	not regex.match(`(?i)(?:path|file|dir|url|name|id|type|length|version|enabled)$`, name)
	not allowed(name)
}

secret_name := concat("", [
	`(?i)(?:password|passwd|passphrase|secret|token|credentials?|pwd|api_?key|access_?key|private_?key|auth_?key)`,
	`(?:$|_)|(?i:^|_)(?i:pass|pat)$`,
])

allowed(name) if {
	some pattern in input.params.buildArgumentNamesAllowed
	regex.match(sprintf("(?i)%s", [pattern]), name)
}
