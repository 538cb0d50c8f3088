package kubekeep.controls.credentials_in_configuration

import data.kubekeep.lib.credentials

# Name and value are evidence, and both are to be removed.
violation contains {"path": sprintf("%s.env[%d].%s", [container.path, index, half]), "message": message} if {
	suspect
	some container in input.workload.containers
	some index
	variable := container.env[index]
	message := credentials.problem(variable.name, text(variable.value), words, hinted)
	some half in ["name", "value"]
}

violation contains {"path": entry(field, key), "message": message} if {
	suspect
	some field, entries in maps
	some key, value in entries
	message := credentials.problem(key, text(value), words, hinted)
}

violation contains {"path": sprintf("%s[%d]", [line.path, index]), "message": message} if {
	some container in input.workload.containers
	some line in command_lines(container)
	regex.match(risky_words, concat("\n", array.concat(line.before, line.words)))
	some index, word in line.words
	credential := credentials.credential_in(word, array.concat(line.before, array.slice(line.words, 0, index)))
	not credentials.harmless(word)
	message := sprintf("%s contains %s in plain text", [line.path, credential])
}

# Command lines of a container, its probes and its lifecycle hooks; `args` follow `command`.
command_lines(container) := [line |
	some steps in [
		["command"],
		["args"],
		["livenessProbe", "exec", "command"],
		["readinessProbe", "exec", "command"],
		["startupProbe", "exec", "command"],
		["lifecycle", "postStart", "exec", "command"],
		["lifecycle", "preStop", "exec", "command"],
	]
	words := object.get(container, steps, null)
	is_array(words)
	line := {
		"path": sprintf("%s.%s", [container.path, concat(".", steps)]),
		"words": texts(words),
		"before": [word | steps == ["args"]; some word in texts(container.command)],
	}
]

# Words may be numbers in files.
texts(words) := [sprintf("%v", [word]) | some word in words]

# Cheap filter over all words of a command line.
risky_words := concat("|", [
	`(?i:pass|pwd|token|key|secret|bearer|://[^/\s]*@|mysql|mariadb|redis-cli|valkey-cli|curl|/hooks|webhook)`,
	credentials.token,
])

maps := object.union(plain, decoded)

default plain := {}

plain := {"data": input.object.data} if {
	input.object.kind == "ConfigMap"
	is_object(input.object.data)
}

default decoded := {}

decoded := {"binaryData": {key: base64.decode(value) | some key, value in input.object.binaryData}} if {
	input.object.kind == "ConfigMap"
	is_object(input.object.binaryData)
}

# Cheap filter over all names and all values at once: most objects contain no credentials.
suspect if count(words) > 0

suspect if hinted

default hinted := false

hinted if {
	values != ""
	regex.match(concat("|", hints), values)
}

hints := [
	sprintf("(?m:%s)", [lines]),
	"://",
	`(?m:^\s*[0-9A-Za-z+/=_-]{20})`,
	credentials.token,
	`(?i:(?:passw(?:or)?d|passphrase|pwd|key|secret|token)["']?\s*[:=]|bearer\s)`,
] if {
	lines := replace(replace(credentials.looks(input.params.sensitiveValues), `\A`, "^"), `\z`, "$")
}

# Only variables with a literal value, not those with `valueFrom`.
names := lower(concat("\n", array.concat(
	[variable.name |
		variable := input.workload.containers[_].env[_]
		variable.value != ""
		is_string(variable.name)
	],
	[key | maps[_][key]],
)))

values := concat("\n", array.concat(
	[value | value := input.workload.containers[_].env[_].value; is_string(value)],
	[value | value := maps[_][_]; is_string(value)],
))

# Files may contain numbers in place of text. Booleans are no credentials.
text(value) := value if {
	is_string(value)
	trim_space(value) != ""
} else := sprintf("%v", [value]) if is_number(value)

entry(field, key) := sprintf("%s.%s", [field, key]) if {
	not regex.match(`[.\[\]"]`, key)
} else := sprintf("%s[\"%s\"]", [field, replace(replace(key, `\`, `\\`), `"`, `\"`)])

# Sensitive words that occur in any name.
default words := []

words := [lowered |
	some word in input.params.sensitiveKeyNames
	lowered := lower(word)
	contains(names, lowered)
] if {
	may_have_words
}

# Cheap filter: one pattern for all words, unless a word has characters with a meaning in patterns.
may_have_words if regex.match(`[^\w|-]`, any_word)

may_have_words if regex.match(any_word, names)

any_word := lower(concat("|", input.params.sensitiveKeyNames))

not_evaluated contains sprintf("sensitiveValues: %q is not a valid regular expression", [pattern]) if {
	not regex.is_valid(credentials.any_of(input.params.sensitiveValues))
	some pattern in input.params.sensitiveValues
	not regex.is_valid(pattern)
}
