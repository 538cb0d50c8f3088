# Files of a node in reports of the node agent: permissions and owners.
# A file has the `path` in the document, the `name` on the node, and the `entry` in the document.
package kubekeep.lib.hostfile

import data.kubekeep.lib.flags

# Field with the content of an agent document: `spec` for a custom resource of the cluster.
section(document) := "data" if {
	document.data
} else := "spec" if {
	document.spec
} else := "data"

# File or files of a document at `steps`; empty if nothing was collected.
at(document, steps) := listed(concat(".", array.concat([section(document)], steps)), value) if {
	value := reached(document[section(document)], steps)
} else := []

reached(fields, steps) := fields[steps[0]] if {
	count(steps) == 1
} else := fields[steps[0]][steps[1]]

listed(path, value) := [described(path, value)] if {
	is_object(value)
} else := [file |
	is_array(value)
	some index
	entry := value[index]
	is_object(entry)
	file := described(sprintf("%s[%d]", [path, index]), entry)
]

described(path, entry) := {"path": path, "name": called(path, entry), "entry": entry}

called(path, entry) := entry.path if {
	is_string(entry.path)
	entry.path != ""
} else := path

# Files whose name ends with one of `endings`.
with_ending(files, endings) := [file |
	some file in files
	some ending in endings
	endswith(lower(file.name), ending)
]

# Reasons in the document that a list of files is incomplete (`kubekeep host collect`).
unlisted(document, field) := {sprintf("%s was not read: %s", [entry.path, entry.why]) |
	some entry in document.notRead
	entry.field == field
	is_string(entry.path)
	is_string(entry.why)
}

# Reasons in the document that the command line of a program, in `field`, was not read
# (`kubekeep host collect`).
unread_line(document, program, field) := {reason |
	some refusal in refusals(document, field)
	reason := sprintf("the command line of %s was not read: %s", [program, refusal])
}

# Reasons in the document that a field was not read.
refusals(document, field) := {reason |
	some entry in document.notRead
	entry.field == field
	reason := object.get(entry, "why", "the reason is unknown")
}

# Value of a flag in the command line of the document; undefined without one.
flag(document, name) := flags.last(flags.pieces(line(document), "cmdLine"), name).value

# Command line; undefined if it was not collected.
line(document) := text if {
	text := trim_space(document[section(document)].cmdLine)
	text != ""
}

# Modes

# Violations of files whose mode permits more than `limit` (octal).
looser(files, limit) := {violation |
	some file in files
	mode := known_mode(file)
	bits.and(mode, bits.xor(511, number(limit))) != 0
	violation := {
		"path": sprintf("%s.permissions", [file.path]),
		"message": sprintf("%s: mode is %s, expected %s or stricter", [file.name, octal(mode), limit]),
	}
}

# The nine permission bits; the other bits of a mode grant no access.
known_mode(file) := bits.and(mode, 511) if {
	mode := file.entry.permissions
	is_number(mode)
}

octal(mode) := sprintf("%d%d%d", [bits.rsh(mode, 6), bits.and(bits.rsh(mode, 3), 7), bits.and(mode, 7)])

number(text) := (to_number(substring(text, 0, 1)) * 64) + (to_number(substring(text, 1, 1)) * 8) +
	to_number(substring(text, 2, 1))

# Reason that modes are unknown; `description` names the files in the message.
unknown_modes(files, description) := {sprintf("%s was not collected", [description])} if {
	count(files) == 0
} else := {sprintf("the mode of %s was not collected", [file.name]) |
	some file in files
	not known_mode(file)
}

# Owners

# Violations of files whose user or group is not in `names`.
foreign(files, names) := {violation |
	some file in files
	user := known_owner(file, "username", "uid", names)
	group := known_owner(file, "groupname", "gid", names)
	not both(user, group, names)
	violation := {
		"path": sprintf("%s.ownership", [file.path]),
		"message": sprintf("%s: owner is %s:%s, expected %s", [file.name, user, group, expected_owners(names)]),
	}
}

both(user, group, names) if {
	user in names
	group in names
}

expected_owners(names) := concat(" or ", [sprintf("%s:%s", [name, name]) | some name in sort(names)])

# Name of the user or group. If the node did not resolve it, ID 0 is root, and any other ID is not root;
# it is unknown whether the ID belongs to another of `names`.
known_owner(file, name, id, names) := owner if {
	owner := file.entry.ownership[name]
	is_string(owner)
	owner != ""
} else := "root" if {
	file.entry.ownership[id] == 0
	not failed(file)
} else := sprintf("%d", [owner]) if {
	names == {"root"}
	owner := file.entry.ownership[id]
	is_number(owner)
	owner > 0
}

# The agent could not read the owner, so the IDs are invalid.
failed(file) if {
	problem := file.entry.ownership.err
	problem != null
	problem != ""
}

unknown_owners(files, names, description) := {sprintf("%s was not collected", [description])} if {
	count(files) == 0
} else := {sprintf("the owner of %s was not collected", [file.name]) |
	some file in files
	not owned(file, names)
}

owned(file, names) if {
	known_owner(file, "username", "uid", names)
	known_owner(file, "groupname", "gid", names)
}
