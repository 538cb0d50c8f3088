# Configuration of a kubelet: its command line and configuration file in reports of the node agent (KubeletInfo), or
# a separate configuration file (KubeletConfiguration).
package kubekeep.lib.kubelet

import data.kubekeep.lib.component
import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

info := input.object[section] if is_object(input.object[section])

content := sprintf("%s.configFile.content", [section])

# Effective setting of a kubelet: the flag overrides the field of the file (Kubernetes docs, kubelet configuration
# file). `otherwise` has the defaults, which differ for a kubelet with a file (`file`), without one (`flag`), and with
# a folder only (`folder`; same as `file` if omitted). The result has the `value`, its name, a `description`
# and the location (`at`).
# Undefined if the setting depends on a file that was not read, or if nothing was collected.
setting(flag, field, otherwise) := result if {
	current := flags.last(words, flag)
	name := sprintf("--%s", [flag])
	result := {"name": name, "value": current.value, "description": describe(name, current.value), "at": line_path}
} else := result if {
	result := filed(field, unfiled(otherwise))
} else := result if {
	line != ""
	not unread
	name := sprintf("--%s", [flag])
	result := {"name": name, "value": otherwise.flag, "description": unset(name, otherwise.flag), "at": line_path}
}

# Setting in the file; undefined if the kubelet reads no file or the file was not read.
filed(field, otherwise) := result if {
	value := named(field)
	result := {"name": field, "value": value, "description": describe(field, value), "at": within(field)}
} else := result if {
	is_object(config)
	result := {"name": field, "value": otherwise, "description": unset(field, otherwise), "at": within(field)}
}

# Default of a field: a folder is merged with the defaults of the flags, but a file of --config has its own defaults
# (KEP-3983; Kubernetes, cmd/kubelet/app/server.go).
unfiled(otherwise) := otherwise.folder if {
	line != ""
	not names_file
} else := otherwise.file

# True if the kubelet reads a file with unknown content.
unread if {
	reads_file
	not is_object(parsed)
}

# Reasons in the document that the configuration was not read (`kubekeep host collect`).
refusals := [entry.why |
	some entry in input.object.notRead
	startswith(entry.field, "configFile")
	is_string(entry.why)
]

line_path := {"path": sprintf("%s.cmdLine", [section])}

describe(name, value) := sprintf("%s is %s", [name, plain(value)]) if {
	plain(value) != ""
} else := sprintf("%s is empty", [name])

unset(name, value) := sprintf("%s is not set (default %s)", [name, plain(value)]) if {
	plain(value) != ""
} else := sprintf("%s is not set", [name])

# Value as text; numbers and booleans may also be written as text.
plain(value) := trim_space(value) if {
	is_string(value)
} else := sprintf("%v", [value])

# Value of a setting as text.
text(effective) := plain(effective.value)

boolean_setting(effective) := component.boolean(text(effective))

# Violation of a setting, with the reason. `fix` is applied only to a KubeletConfiguration: files that are embedded as
# text are not edited.
finding(effective, fix, reason) := object.union(object.union(effective.at, fix), {"message": message}) if {
	input.object.kind == "KubeletConfiguration"
	message := sprintf("%s: %s", [effective.description, reason])
} else := object.union(effective.at, {"message": sprintf("%s: %s", [effective.description, reason])})

# Reason that a setting is undefined.
uncollected := sprintf("the configuration file of the kubelet was not read: %s", [refusals[0]]) if {
	unread
} else := "the configuration file of the kubelet was not collected or cannot be read" if {
	unread
} else := "the command line of the kubelet, which overrides its configuration file, was not collected" if {
	is_object(parsed)
} else := "neither the command line nor the configuration file of the kubelet was collected"

within(field) := {"path": field} if {
	input.object.kind == "KubeletConfiguration"
} else := {"path": field, "inside": content}

# Value of a field of the file, unless null.
named(field) := value if {
	value := inner(split(field, "."))
	value != null
}

inner([one]) := config[one]

inner([one, two]) := config[one][two]

inner([one, two, three]) := config[one][two][three]

line := trim_space(info.cmdLine) if {
	input.object.kind == "KubeletInfo"
	is_string(info.cmdLine)
} else := ""

words := component.line_words(line, line_path.path)

# True if the kubelet is started with a file; `content` also covers a folder of files.
reads_file if names_file

reads_file if flags.last(words, "config-dir").value != ""

names_file if flags.last(words, "config").value != ""

config := input.object if {
	input.object.kind == "KubeletConfiguration"
} else := parsed if {
	reads_file
	is_object(parsed)
}

# The content is plain text or base64.
parsed := document if {
	document := yaml.unmarshal(base64.decode(replace(info.configFile.content, "\n", "")))
	is_object(document)
} else := document if {
	document := yaml.unmarshal(info.configFile.content)
	is_object(document)
}
