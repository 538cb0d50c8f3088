# The programs of the control plane as Pods of kube-system and the node agent show them, and what is wrong with
# their flags.
package kubekeep.lib.component

import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

# Each process of a program, such as kube-scheduler, that the object tells of: the `words` of its command line, the
# `variables` of its environment that stand for flags, and the `list` with `count` items that takes more words.
processes(program) := [process_of(container, program) |
	some container in input.workload.containers
	container.type == "container"
	runs(container, program)
] if {
	input.object.metadata.namespace == "kube-system"
	input.object.kind == "Pod"
} else := [{"words": spoken(line, path), "variables": [], "list": path}] if {
	input.object.kind == "ControlPlaneInfo"
	info := reported[program]
	section := hostfile.section(input.object)
	line := input.object[section][info].cmdLine
	is_string(line)
	trim_space(line) != ""
	path := sprintf("%s.%s.cmdLine", [section, info])
} else := []

# Why nobody knows how a program is started on a node of the control plane; nothing where its static pod is judged.
unread_line(program) := hostfile.unread_line(input.object, program, sprintf("%s.cmdLine", [reported[program]])) if {
	input.object.kind == "ControlPlaneInfo"
	not flags.judged(program, input.object.metadata.name)
} else := set()

# What the node agent calls a program in its report on a node of the control plane.
reported := {"kube-controller-manager": "controllerManagerInfo", "kube-scheduler": "schedulerInfo"}

# The words of a command line that is one text.
spoken(line, path) := [{"text": trim(word, "\"'"), "path": path, "whole": false} |
	some word in regex.split(`[\s\x00]+`, trim_space(line))
]

process_of(container, program) := {
	"words": words(container, program),
	"variables": variables(container, program),
	"list": sprintf("%s.%s", [container.path, list(container)]),
	"count": count(object.get(container, list(container), [])),
	"plain": count([word | some word in flags.words(container); not word.whole]) == 0,
}

# Arguments come after the command; a container with neither runs what its image says.
list(container) := "args" if {
	is_array(container.args)
	count(container.args) > 0
} else := "command" if {
	is_array(container.command)
	count(container.command) > 0
} else := "args"

# etcd takes flags with one dash as well.
words(container, program) := [doubled(word) | some word in flags.words(container)] if {
	program == "etcd"
} else := flags.words(container)

doubled(word) := object.union(word, {"text": sprintf("-%s", [word.text])}) if {
	regex.match(`^-[a-z]`, word.text)
} else := word

# etcd reads a flag that is not given from the environment: --cert-file from ETCD_CERT_FILE (etcd docs,
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

# Whether a container runs the program: by its name, by what its command line begins with or, where that leaves the
# program out, by its image.
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
	found := flags.words(object.union({"path": ""}, container))
	flagged := [index | some index, word in found; startswith(word.text, "--")]
	some index, word in found
	index < min(array.concat(flagged, [count(found)]))
]

# The setting of a flag that holds; undefined without one.
setting(process, flag) := object.union({"name": sprintf("--%s", [flag])}, found) if {
	found := flags.last(process.words, flag)
} else := found[count(found) - 1] if {
	found := [variable | some variable in process.variables; variable.flag == flag]
	count(found) > 0
}

# The value of a flag, and null without one.
value(process, flag) := text if {
	text := trim_space(setting(process, flag).value)
} else := null

# The value of a flag that is true or false, and null without one.
truth(process, flag) := boolean(value(process, flag))

# What Go's programs take for true and false; anything else as it is.
boolean(text) := true if {
	lower(text) in {"1", "t", "true"}
} else := false if {
	lower(text) in {"0", "f", "false"}
} else := text

# The violation of a flag that has another value than `wanted`, or none, with why that matters.
finding(process, flag, wanted, reason) := object.union(flags.replaced(found, wanted), {"message": message}) if {
	found := setting(process, flag)
	message := sprintf("%s is %s: %s", [found.name, shown(found.value), reason])
} else := object.union(added(process, sprintf("--%s=%s", [flag, wanted])), {"message": message}) if {
	message := sprintf("--%s is not set: %s", [flag, reason])
}

# The violation of a flag that names nothing; undefined if it names something. What it should name only the
# operator knows. `ahead` is the number of words that go before it, so that each flag of a pair has its own place.
lacking(process, flag, ahead, reason) := {"path": found.path, "message": message} if {
	found := setting(process, flag)
	trim_space(found.value) == ""
	message := sprintf("%s is empty: %s", [found.name, reason])
} else := {"path": place(process, ahead), "message": message} if {
	not setting(process, flag)
	message := sprintf("--%s is not set: %s", [flag, reason])
}

shown(text) := text if {
	trim_space(text) != ""
} else := "empty"

added(process, word) := {"path": place(process, 0), "fix": word} if {
	process.plain
} else := {"path": place(process, 0)}

# Where the command line takes another word.
place(process, ahead) := sprintf("%s[%d]", [process.list, process.count + ahead]) if {
	process.count >= 0
} else := process.list

# Whether only the machine itself reaches the address.
loopback(address) if regex.match(`^(127(\.[0-9]+){3}|\[?::1\]?)$`, address)

# What `--feature-gates` says of a gate; undefined if nothing. Every turn of the flag counts, the last word holds.
gate(words, name) := said[count(said) - 1] if {
	said := [boolean(trim_space(worth)) |
		some stated in flags.settings(words, "feature-gates")
		some pair in split(stated.value, ",")
		[key, worth] := split(pair, "=")
		trim_space(key) == name
	]
	count(said) > 0
}

# Why the object does not tell how etcd is set up; undefined where it does.
unread(process) := sprintf("etcd reads %s, which makes it ignore flags and variables", [file]) if {
	file := value(process, "config-file")
	file != null
	file != ""
}
