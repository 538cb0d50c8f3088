package kubekeep.controls.credentials_in_configuration

import data.kubekeep.lib.credentials
import data.kubekeep.lib.documents

# Name and value are evidence, and both are to be removed.
violation contains {
	"path": sprintf("%s.env[%d].%s", [container.path, index, half]),
	"message": message,
	"severity_change": credentials.severity_change(variable.name, value),
} if {
	suspect
	some container in input.workload.containers
	some index
	variable := container.env[index]
	may_be_credential(variable.name)
	value := text(variable.value)
	not documents.is_document("", value)
	message := credentials.problem(variable.name, value, words, hinted)
	some half in ["name", "value"]
}

violation contains {
	"path": entry(field, key),
	"message": message,
	"severity_change": credentials.severity_change(key, text(value)),
} if {
	suspect
	some field, entries in maps
	some key, value in entries
	may_be_credential(key)
	not documents.is_document(key, text(value))
	message := credentials.problem(key, text(value), words, hinted)
}

# Cheap filter of the settings of a suspect object.
may_be_credential(_) if hinted

may_be_credential(name) if {
	some word in words
	contains(lower(name), word)
}

# Lines of a document in an entry or a variable.
violation contains {
	"path": path,
	"inside": holder.path,
	"line": line.number,
	"message": message,
	"severity_change": change,
} if {
	hinted
	some holder in holders
	not credentials.harmless(holder.text)
	some line in documents.lines(holder.text, hint)
	some [path, problem, change] in line_problems(holder, line)
	message := sprintf("%s, line %d: %s", [holder.name, line.number, problem])
}

# A match that spans lines.
violation contains {"path": holder.path, "message": sprintf("%s: the value looks like a credential", [holder.name])} if {
	hinted
	some holder in holders
	not credentials.harmless(holder.text)
	regex.match(unmistakable, holder.text)
	every line in documents.lines(holder.text, hint) {
		count(line_problems(holder, line)) == 0
	}
}

holders := array.concat([holder |
	some container in input.workload.containers
	some index
	variable := container.env[index]
	value := text(variable.value)
	documents.is_document("", value)
	holder := {"path": sprintf("%s.env[%d].value", [container.path, index]), "name": variable.name, "text": value}
], [holder |
	some field, entries in maps
	some key, value in entries
	documents.is_document(key, text(value))
	holder := {"path": entry(field, key), "name": key, "text": text(value)}
])

# Path, problem and change of severity of each credential in a line of a document.
line_problems(holder, line) := {[path, message, change] |
	some setting in line.settings
	credentials.indicates_credential(setting.name, setting.value, sensitive)
	not credentials.harmless(setting.value)
	steps := documents.steps(line, setting)
	path := concat("", array.concat([holder.path], [step(each) | some each in steps]))
	message := sprintf("%s is set in plain text, and the name indicates a credential", [inner_path(steps)])
	change := credentials.severity_change(setting.name, setting.value)
} | {[holder.path, "the text looks like a credential", 0] |
	not harmless_line(line)
	regex.match(unmistakable, line.text)
} | {[holder.path, "the text has a URL with a password", 0] |
	not harmless_line(line)
	regex.match(credentials.url_with_password, line.text)
}

harmless_line(line) if {
	count(input.params.sensitiveValuesAllowed) > 0
	credentials.harmless(line.text)
}

# As people write it, without quotes around keys with dots.
inner_path(steps) := replace(concat(".", [shown(each) | some each in steps]), ".[", "[")

shown(value) := sprintf("[%d]", [value]) if {
	is_number(value)
} else := value

step(value) := sprintf("[%d]", [value]) if {
	is_number(value)
} else := sprintf(".%s", [value]) if {
	not regex.match(`[.\[\]"]`, value)
} else := sprintf("[\"%s\"]", [replace(replace(value, `\`, `\\`), `"`, `\"`)])

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
	regex.match(hint, values)
}

# One pattern for all values, and for the lines of a document.
hint := concat("|", [
	`(?i:pass|pwd|pw|key|secret|token|cred|psk|pepper|jwt|bearer)[\w.-]*["']?\s*[:=>]|(?i:bearer)\s|requirepass|masterauth`,
	"://",
	`(?m:^\s*[0-9A-Za-z+/=_-]{20})`,
	credentials.token,
	own_words,
	sprintf("(?m:%s)", [replace(replace(credentials.looks(input.params.sensitiveValues), `\A`, "^"), `\z`, "$")]),
])

# Sensitive words of users, which the pattern does not have.
own_words := sprintf(`(?i:%s)[\w.-]*["']?\s*[:=>]`, [replace(
	# All words at once, because a loop takes longer than the rest of the rule.
	regex.replace(concat("\n", array.concat(input.params.sensitiveKeyNames, ["password"])), `[^\w\n]`, "[_.-]?"),
	"\n", "|",
)])

# Values that are credentials anywhere in a document.
unmistakable := concat("|", [credentials.credential, credentials.looks(credentials.unmistakable_values)])

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

# All sensitive words: names in documents are not among `names`.
sensitive := [lower(word) | some word in input.params.sensitiveKeyNames]

not_evaluated contains sprintf("sensitiveValues: %q is not a valid regular expression", [pattern]) if {
	not regex.is_valid(credentials.any_of(input.params.sensitiveValues))
	some pattern in input.params.sensitiveValues
	not regex.is_valid(pattern)
}
