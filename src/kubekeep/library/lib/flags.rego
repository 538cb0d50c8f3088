# Command lines of Kubernetes components, and identification of their pods.
package kubekeep.lib.flags

# Containers of a kube-system pod that run `component`, such as kube-apiserver.
servers(component) := [container |
	input.object.metadata.namespace == "kube-system"
	some container in input.workload.containers
	container.type == "container"
	runs(container, component)
]

runs(container, component) if container.name == component

runs(container, component) if regex.match(sprintf(`(^|/)%s(-[a-z0-9]+64)?(:|@|$)`, [component]), container.image)

runs(container, component) if {
	some word in words(container)
	regex.match(sprintf(`(^|/)%s$`, [component]), word.text)
}

# True if the input has the static pod of the program on the node: its name ends with the name of the node
# (Kubernetes docs, Static Pods). The pod is evaluated instead of the report of the agent.
has_static_pod(component, node) if input.cluster.pods["kube-system"].named[sprintf("Pod/%s-%s", [component, node])]

# Words of the command line of a container, with their paths, after expansion of variables. A script (`sh -c "exec
# kube-apiserver ..."`) is split; `whole` is true for a word that is a list entry of its own and can be replaced.
words(container) := [word |
	some field in ["command", "args"]
	some index
	text := container[field][index]
	some word in split_words(text, expanded(text, container), sprintf("%s.%s[%d]", [container.path, field, index]))
]

pieces(text, path) := split_words(text, text, path)

# Words of a text, which is a script if it was `written` as one.
split_words(written, text, path) := [{"text": text, "path": path, "whole": true}] if {
	not script(written)
} else := [{"text": trim(piece, "\"'"), "path": path, "whole": false} | some piece in regex.split(`\s+`, text)]

# Text with the values of variables of the container in place of `$(NAME)`, as the kubelet passes it to the program. An
# unknown variable stays as it is, and `$$` is a dollar (Kubernetes docs, Define a Command and Arguments for a Container).
expanded(text, container) := text if {
	not contains(text, "$")
} else := substituted(text, values) if {
	written := variables(container)
	values := {name: value | some name, text_of_value in written; value := substituted(text_of_value, written)}
}

# Values that the manifest states, by name; of several the last one counts.
variables(container) := {name: value |
	entry := container.env[index]
	name := entry.name
	not entry.valueFrom
	index == max([at | container.env[at].name == name])
	value := object.get(entry, "value", "")
	is_string(value)
}

substituted(text, values) := concat("", [piece |
	some index, part in regex.split(`\$\$|\$\([^()]*\)`, text)
	piece := concat("", [part, substitute(references, index, values)])
]) if {
	references := regex.find_n(`\$\$|\$\([^()]*\)`, text, -1)
}

substitute(references, index, values) := "" if {
	index >= count(references)
} else := "$" if {
	references[index] == "$$"
} else := object.get(values, substring(references[index], 2, count(references[index]) - 3), references[index])

script(text) if {
	regex.match(`\s`, text)
	not startswith(text, "--")
}

# Settings of a flag in order; the last one is effective. `path` is the path of the word with the value, and `text`
# that word with `%s` in place of the value. The programs accept `_` for `-` in names.
settings(words, flag) := [setting |
	some index, word in words
	startswith(word.text, "--")
	[name, rest] := halves(substring(word.text, 2, -1))
	replace(name, "_", "-") == flag
	setting := read(words, index, flag, rest)
]

halves(text) := [substring(text, 0, at), substring(text, at, -1)] if {
	at := indexof(text, "=")
	at >= 0
} else := [text, ""]

read(words, index, flag, rest) := {
	"value": trim(substring(rest, 1, -1), "\"'"),
	"path": words[index].path,
	"whole": words[index].whole,
	"text": sprintf("--%s=%%s", [flag]),
} if {
	rest != ""
} else := {"value": next.text, "path": next.path, "whole": next.whole, "text": "%s"} if {
	next := words[index + 1]
	not startswith(next.text, "--")
} else := {
	"value": "true",
	"path": words[index].path,
	"whole": words[index].whole,
	"text": sprintf("--%s=%%s", [flag]),
}

# Effective setting; undefined if the flag is not set.
last(words, flag) := matches[count(matches) - 1] if {
	matches := settings(words, flag)
	count(matches) > 0
}

value(container, flag) := last(words(container), flag).value

# Violation of a flag with a wrong value.
replaced(setting, text) := {"path": setting.path, "fix": sprintf(setting.text, [text])} if {
	setting.whole
} else := {"path": setting.path}

# Path for an additional word in the command line of a container.
end(container) := free_path(container, 0)

# Path for an additional word after `ahead` others.
free_path(container, ahead) := sprintf("%s.args[%d]", [container.path, count(container.args) + ahead]) if {
	count(container.args) > 0
} else := sprintf("%s.command[%d]", [container.path, count(container.command) + ahead]) if {
	count(container.command) > 0
} else := sprintf("%s.args[%d]", [container.path, ahead])

# True if the command line is a list to which a word can be added.
plain(container) if {
	every word in words(container) {
		word.whole
	}
}

# Minor version of Kubernetes of a container, from the tag of its image or else of the scan.
minor(container) := to_number(match[0][1]) if {
	match := regex.find_all_string_submatch_n(`:v1\.([0-9]+)\b`, container.image, 1)
	count(match) > 0
} else := input.kubernetes.minor
