# Processes of the control plane, from Pods of kube-system or reports of the node agent, and violations by their
# flags.
package kubekeep.lib.component

import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

# Processes of a program such as kube-scheduler: the `words` of the command line, the environment `variables` that set
# flags, and the `list` of `count` entries to which words can be added.
processes(program) := [process_of(container, program) |
	some container in input.workload.containers
	container.type == "container"
	runs(container, program)
] if {
	input.object.metadata.namespace == "kube-system"
	input.object.kind == "Pod"
} else := [{"words": line_words(line, path), "variables": [], "list": path}] if {
	input.object.kind == "ControlPlaneInfo"
	info := reported[program]
	section := hostfile.section(input.object)
	line := input.object[section][info].cmdLine
	is_string(line)
	trim_space(line) != ""
	path := sprintf("%s.%s.cmdLine", [section, info])
} else := []

# Reason that the command line on a control plane node is unknown; undefined if its static pod is evaluated instead.
unread_line(program) := hostfile.unread_line(input.object, program, sprintf("%s.cmdLine", [reported[program]])) if {
	input.object.kind == "ControlPlaneInfo"
	not flags.has_static_pod(program, input.object.metadata.name)
} else := set()

# Field of a program in the report of the node agent.
reported := {"kube-controller-manager": "controllerManagerInfo", "kube-scheduler": "schedulerInfo"}

# Words of a command line that is one text.
line_words(line, path) := [{"text": trim(word, "\"'"), "path": path, "whole": false} |
	some word in regex.split(`[\s\x00]+`, trim_space(line))
]

process_of(container, program) := {
	"words": words(container, program),
	"variables": variables(container, program),
	"list": sprintf("%s.%s", [container.path, list(container)]),
	"count": count(object.get(container, list(container), [])),
	"plain": count([word | some word in flags.words(container); not word.whole]) == 0,
}

# `args` follow `command`; without both, the image determines the program.
list(container) := "args" if {
	is_array(container.args)
	count(container.args) > 0
} else := "command" if {
	is_array(container.command)
	count(container.command) > 0
} else := "args"

# etcd also accepts flags with one dash.
words(container, program) := [doubled(word) | some word in flags.words(container)] if {
	program == "etcd"
} else := flags.words(container)

doubled(word) := object.union(word, {"text": sprintf("-%s", [word.text])}) if {
	regex.match(`^-[a-z]`, word.text)
} else := word

# etcd reads missing flags from the environment: --cert-file from ETCD_CERT_FILE (etcd docs,
# Configuration options).
variables(container, program) := [stated |
	program == "etcd"
	some index
	variable := container.env[index]
	startswith(variable.name, "ETCD_")
	stated := {
		"flag": replace(lower(trim_prefix(variable.name, "ETCD_")), "_", "-"),
		"name": variable.name,
		"value": object.get(variable, "value", ""),
		"path": sprintf("%s.env[%d].value", [container.path, index]),
		"whole": true,
		"text": "%s",
	}
]

# True if a container runs the program, by its name, by the start of its command line, or, if that has no program, by
# its image.
runs(container, program) if container.name == program

runs(container, program) if {
	some word in leading(container)
	regex.match(sprintf(`^(.*/bin/|[.]?/)?%s$`, [program]), word)
}

runs(container, program) if {
	count(leading(container)) == 0
	regex.match(sprintf(`(^|/)%s(-[a-z0-9]+64)?(:|@|$)`, [program]), container.image)
}

leading(container) := [word.text |
	entries := flags.words(object.union({"path": ""}, container))
	flagged := [index | some index, word in entries; startswith(word.text, "--")]
	some index, word in entries
	index < min(array.concat(flagged, [count(entries)]))
]

# Effective setting of a flag; undefined if it is not set.
setting(process, flag) := object.union({"name": sprintf("--%s", [flag])}, current) if {
	current := flags.last(process.words, flag)
} else := matches[count(matches) - 1] if {
	matches := [variable | some variable in process.variables; variable.flag == flag]
	count(matches) > 0
}

# Value of a flag, or null.
value(process, flag) := text if {
	text := trim_space(setting(process, flag).value)
} else := null

# Value of a boolean flag, or null.
boolean_flag(process, flag) := boolean(value(process, flag))

# Boolean values as Go parses them; other values unchanged.
boolean(text) := true if {
	lower(text) in {"1", "t", "true"}
} else := false if {
	lower(text) in {"0", "f", "false"}
} else := text

# Violation of a flag that is not set to `expected`, with the reason.
finding(process, flag, expected, reason) := object.union(flags.replaced(current, expected), {"message": message}) if {
	current := setting(process, flag)
	message := sprintf("%s is %s: %s", [current.name, shown(current.value), reason])
} else := object.union(added(process, sprintf("--%s=%s", [flag, expected])), {"message": message}) if {
	message := sprintf("--%s is not set: %s", [flag, reason])
}

# Violation of a flag that is missing or empty; undefined otherwise. The correct value depends on the cluster.
# `ahead` is the number of words added before, so that missing flags of a pair have different paths.
missing(process, flag, ahead, reason) := {"path": current.path, "message": message} if {
	current := setting(process, flag)
	trim_space(current.value) == ""
	message := sprintf("%s is empty: %s", [current.name, reason])
} else := {"path": free_path(process, ahead), "message": message} if {
	not setting(process, flag)
	message := sprintf("--%s is not set: %s", [flag, reason])
}

shown(text) := text if {
	trim_space(text) != ""
} else := "empty"

added(process, word) := {"path": free_path(process, 0), "fix": word} if {
	process.plain
} else := {"path": free_path(process, 0)}

# Path of an additional word in the command line.
free_path(process, ahead) := sprintf("%s[%d]", [process.list, process.count + ahead]) if {
	process.count >= 0
} else := process.list

# True for a loopback address.
loopback(address) if regex.match(`^(127(\.[0-9]+){3}|\[?::1\]?)$`, address)

# Value of a gate in `--feature-gates`; undefined if not set. Repeated flags are combined, and the last value applies.
gate(words, name) := values[count(values) - 1] if {
	values := [boolean(trim_space(text)) |
		some stated in flags.settings(words, "feature-gates")
		some pair in split(stated.value, ",")
		[key, text] := split(pair, "=")
		trim_space(key) == name
	]
	count(values) > 0
}

# Reason that the flags of etcd are not effective; undefined if they are.
unread(process) := sprintf("etcd reads the configuration file %s and ignores flags and variables", [file]) if {
	file := value(process, "config-file")
	file != null
	file != ""
}
