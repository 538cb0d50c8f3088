# Command lines of Kubernetes components, and identification of their pods.
package kubekeep.lib.flags

# The containers of a pod of kube-system that run `component`, such as kube-apiserver.
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

# Whether a Pod in the input is the static pod that runs the program on the node: it has the name of the node in its own
# (Kubernetes docs, Static Pods). Its verdict is the one to read.
judged(component, node) if input.cluster.pods["kube-system"].named[sprintf("Pod/%s-%s", [component, node])]

# The words of a container's command line, each with its path. A script (`sh -c "exec kube-apiserver ..."`) is
# taken apart; `whole` says that a word is an item of the list on its own, so that it can be replaced.
words(container) := [word |
	some field in ["command", "args"]
	some index
	text := container[field][index]
	some word in pieces(text, sprintf("%s.%s[%d]", [container.path, field, index]))
]

pieces(text, path) := [{"text": text, "path": path, "whole": true}] if {
	not script(text)
} else := [{"text": trim(piece, "\"'"), "path": path, "whole": false} | some piece in regex.split(`\s+`, text)]

script(text) if {
	regex.match(`\s`, text)
	not startswith(text, "--")
}

# What a command line sets a flag to, in its order: the last one holds. `path` leads to the word with the value,
# `text` is that word with another value in place of `%s`. The programs read `_` in a name as `-`.
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

# The effective setting; undefined without one.
last(words, flag) := found[count(found) - 1] if {
	found := settings(words, flag)
	count(found) > 0
}

value(container, flag) := last(words(container), flag).value

# The violation of a flag that has a wrong value.
replaced(setting, text) := {"path": setting.path, "fix": sprintf(setting.text, [text])} if {
	setting.whole
} else := {"path": setting.path}

# Path for an additional word in the command line of a container.
end(container) := place(container, 0)

# Where it takes the word after `ahead` others.
place(container, ahead) := sprintf("%s.args[%d]", [container.path, count(container.args) + ahead]) if {
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

# The minor version of Kubernetes that a container runs, by its image's tag if that tells.
minor(container) := to_number(found[0][1]) if {
	found := regex.find_all_string_submatch_n(`:v1\.([0-9]+)\b`, container.image, 1)
	count(found) > 0
} else := input.kubernetes.minor
