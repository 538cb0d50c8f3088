# How a kubelet is set up: by its command line and its configuration file, as the node agent reports them
# (KubeletInfo), or by a file of its own (KubeletConfiguration).
package kubekeep.lib.kubelet

import data.kubekeep.lib.component
import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

info := input.object[section] if is_object(input.object[section])

content := sprintf("%s.configFile.content", [section])

# What a kubelet is told about a setting: the flag wins over the field of the file (Kubernetes docs, kubelet
# configuration file). `otherwise` says what holds without both, for a kubelet with a file (`file`) and for one
# without (`flag`), which can differ; `folder`, for one that reads a folder of files alone, is that of files if it is
# left out. The answer has the `value`, its name and what it is in words (`said`), and the place for it (`at`).
# Undefined where only a file that was not read could tell, or nothing was collected.
setting(flag, field, otherwise) := answer if {
	given := flags.last(words, flag)
	name := sprintf("--%s", [flag])
	answer := {"name": name, "value": given.value, "said": told(name, given.value), "at": line_path}
} else := answer if {
	answer := filed(field, unfiled(otherwise))
} else := answer if {
	line != ""
	not unread
	name := sprintf("--%s", [flag])
	answer := {"name": name, "value": otherwise.flag, "said": unset(name, otherwise.flag), "at": line_path}
}

# What the file tells of a setting; undefined for a kubelet that reads none, and where it was not read.
filed(field, otherwise) := answer if {
	value := named(field)
	answer := {"name": field, "value": value, "said": told(field, value), "at": within(field)}
} else := answer if {
	is_object(config)
	answer := {"name": field, "value": otherwise, "said": unset(field, otherwise), "at": within(field)}
}

# What holds without the field of a file: a folder is merged over the defaults of flags, unless --config names a file,
# which brings its own (KEP-3983; Kubernetes, cmd/kubelet/app/server.go).
unfiled(otherwise) := otherwise.folder if {
	line != ""
	not names_file
} else := otherwise.file

# The kubelet reads a file, and nobody knows what is in it.
unread if {
	reads_file
	not is_object(parsed)
}

# Why whoever collected the document could not read the configuration, if it says so (`kubekeep host collect`).
refusals := [entry.why |
	some entry in input.object.notRead
	startswith(entry.field, "configFile")
	is_string(entry.why)
]

line_path := {"path": sprintf("%s.cmdLine", [section])}

told(name, value) := sprintf("%s is %s", [name, plain(value)]) if {
	plain(value) != ""
} else := sprintf("%s is empty", [name])

unset(name, value) := sprintf("%s is not set, which means %s", [name, plain(value)]) if {
	plain(value) != ""
} else := sprintf("%s is not set", [name])

# The text of a value, of which numbers and truths may be written either way.
plain(value) := trim_space(value) if {
	is_string(value)
} else := sprintf("%v", [value])

# The text of a setting's value.
text(found) := plain(found.value)

truth(found) := component.boolean(text(found))

# The violation of a setting, with why it matters. `mend` holds the fix, which goes into a file that is an object of
# its own; files that are carried as text are not edited.
finding(found, mend, reason) := object.union(object.union(found.at, mend), {"message": message}) if {
	input.object.kind == "KubeletConfiguration"
	message := sprintf("%s: %s", [found.said, reason])
} else := object.union(found.at, {"message": sprintf("%s: %s", [found.said, reason])})

# Why nothing can be said of a setting that is undefined.
uncollected := sprintf("the configuration file of the kubelet was not read: %s", [refusals[0]]) if {
	unread
} else := "the configuration file of the kubelet was not collected, or cannot be read" if {
	unread
} else := "neither the command line of the kubelet nor its configuration file was collected"

within(field) := {"path": field} if {
	input.object.kind == "KubeletConfiguration"
} else := {"path": field, "inside": content}

# The value of a field of the file that is not null.
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

words := component.spoken(line, line_path.path)

# A kubelet reads a file only when it is told to; a folder of more files stands in `content` too. Where its command line
# was not collected, the file that was is taken for the one that it reads.
reads_file if names_file

reads_file if flags.last(words, "config-dir").value != ""

reads_file if {
	line == ""
	is_object(parsed)
}

names_file if flags.last(words, "config").value != ""

config := input.object if {
	input.object.kind == "KubeletConfiguration"
} else := parsed if {
	reads_file
	is_object(parsed)
}

# The file comes as it is or in base64.
parsed := found if {
	found := yaml.unmarshal(base64.decode(replace(info.configFile.content, "\n", "")))
	is_object(found)
} else := found if {
	found := yaml.unmarshal(info.configFile.content)
	is_object(found)
}
