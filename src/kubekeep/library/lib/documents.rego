# Settings in the text of documents: YAML, JSON, properties, INI, variables, TOML and XML. Reads line by line, because
# findings name the line, and templates are often no valid document.
package kubekeep.lib.documents

# True for a text of several settings. key: name of the entry that holds the text.
is_document(_, text) if contains(trim_space(text), "\n")

is_document(_, text) if regex.match(`^\s*(?:\[|\{[^{%])`, text)

is_document(key, text) if regex.match(`(?i)[.](?:ya?ml|json|properties|ini|env|conf|cfg|cnf|toml|xml|hcl)$`, key)

# Lines with settings that may be credentials: number (from 1), text, index in `rows` (all rows of the text), and settings
# with name and value. filter: pattern that every line must match.
lines(text, filter) := [{"number": number, "text": row, "index": index, "rows": rows, "settings": settings(row)} |
	document := expand(text)
	rows := document.rows
	some index, row in rows
	regex.match(filter, row)
	number := min([index + 1, document.last])
]

# The rows of a text. JSON in one line is expanded, because the path of a setting follows from the indentation.
expand(text) := {"rows": split(pretty, "\n"), "last": 1} if {
	not contains(trim_space(text), "\n")
	regex.match(`^\s*[\[{]`, text)
	json.is_valid(text)
	pretty := json.marshal_with_options(json.unmarshal(text), {"pretty": true, "indent": "  "})
} else := {"rows": rows, "last": count(rows)} if {
	rows := split(text, "\n")
}

# Steps of the path of a setting in a line. Expensive: call it only for findings.
steps(line, setting) := array.concat(parents(line.rows, line.index), [setting.name]) if {
	line.index <= most_rows
} else := [setting.name]

settings(row) := {{"name": pair.name, "value": pair.value} |
	not regex.match(`^\s*(?:#|;|//|!|--|\*)`, row)
	some pair in pairs(row)
	not is_expression(pair)
}

pairs(row) := {{"name": match[1], "value": concat("", [match[3], match[4], match[5]]), "sign": match[2], "quoted": match[5] == ""} |
	some match in regex.find_all_string_submatch_n(line_setting, row, 1)
} | {{"name": match[1], "value": match[2], "sign": ":", "quoted": true} |
	some match in regex.find_all_string_submatch_n(`"([\w./-]+)"\s*:\s*"([^"]*)"`, row, -1)
} | {{"name": match[1], "value": trim(match[2], `"'`), "sign": ":", "quoted": regex.match(`^["']`, match[2])} |
	regex.match(`\{.*\}`, row)
	some match in regex.find_all_string_submatch_n(`[{,]\s*([A-Za-z_][\w.-]*)\s*:\s*("[^"]*"|'[^']*'|[^\s,{}"']+)`, row, -1)
} | {{"name": match[1], "value": match[2], "sign": "=", "quoted": true} |
	some match in regex.find_all_string_submatch_n(`<([A-Za-z_][\w.-]*)>\s*([^<>]+?)\s*</`, row, -1)
} | {{"name": "password", "value": match[1], "sign": " ", "quoted": false} |
	some match in regex.find_all_string_submatch_n(`^\s*(?:requirepass|masterauth)\s+"?([^\s"]+)"?\s*$`, row, 1)
}

line_setting := concat("", [
	`^\s*(?:-\s+)?(?:(?:export|set|local|const|let|var|readonly|declare|env|ENV|ARG)\s+)?["']?([A-Za-z_][\w./-]*)["']?`,
	`\s*(=>|:=|[:=])\s*(?:"([^"]*)"|'([^']*)'|([^\s"',;][^\s"',;]*))[,;]?\s*(?:(?:#|//|;).*)?$`,
])

# True for code: a variable, a call, a tag or an anchor of YAML, the head of a block, or a parameter of the same name.
is_expression(pair) if {
	pair.quoted == false
	regex.match(`^[$<>{}%*#@\[\]()&|!,;/~\\-]|[(){}\[\]<>|\x60]|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$`, pair.value)
}

# A value that a program or a person replaces.
is_expression(pair) if regex.match(`^(?i:replace)`, pair.value)

is_expression(pair) if lower(pair.value) == lower(pair.name)

is_expression(pair) if regex.match(`^[a-z]+(?:[A-Z][a-z]+)+$`, pair.value)

# Keys of the collections around a line of YAML or pretty-printed JSON, by indentation, or the section of an INI file.
parents(rows, index) := [section] if {
	headers := [match[1] |
		some row in array.slice(rows, 0, index)
		match := regex.find_all_string_submatch_n(`^\s*\[+([^\[\]"]+)\]+\s*$`, row, 1)[0]
	]
	count(headers) > 0
	section := headers[count(headers) - 1]
} else := [step(levels, keys, level) |
	keys := outline(rows, index)
	own := keys[count(keys) - 1].level
	levels := {shallower: position |
		some shallower in {key.level | some key in keys; key.level < own}
		position := max([at | some at, key in keys; key.level == shallower])
	}
	some level in sort([each | some each, _ in levels])
	every outer, position in levels {
		is_outside(outer, position, level, levels[level])
	}
]

most_rows := 1000

is_outside(outer, _, level, _) if outer >= level

is_outside(_, outer_position, _, position) if outer_position < position

step(levels, keys, level) := keys[levels[level]].name if {
	keys[levels[level]].name != "-"
} else := number if {
	# An element of a sequence: the number of dashes at this level since the key above it.
	start := max(array.concat([-1], [at | some at, key in keys; key.level < level; at < levels[level]]))
	number := count([at | some at, key in keys; key.level == level; key.name == "-"; at > start; at < levels[level]])
}

# Keys and elements up to a line, with their level: twice the indentation, and one more for an element, whose dash may
# stand below its key without indentation. In JSON, an element is a bracket alone.
outline(rows, index) := [key |
	some row in array.slice(rows, 0, index + 1)
	not regex.match(`^\s*(?:#|$)`, row)
	match := regex.find_all_string_submatch_n(`^([ \t]*)(-[ \t]+|[\[{][ \t]*$)?(?:["']?([\w./-]+)["']?[ \t]*:(?:[ \t]|$))?`, row, 1)[0]
	some key in array.concat(
		[{"level": (2 * count(match[1])) + 1, "name": "-"} | match[2] != ""; concat("", [match[1], match[2]]) != "{"],
		[{"level": 2 * (count(match[1]) + count(match[2])), "name": match[3]} | match[3] != ""],
	)
]
