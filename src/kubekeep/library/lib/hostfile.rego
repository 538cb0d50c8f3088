# Files of a node, as the node agent reports them: what their mode lets whom do, and whose they are.
# A file is here its place in the document (`path`), its `name` on the node, and the `entry` that says so.
package kubekeep.lib.hostfile

import data.kubekeep.lib.flags

# Where a document of the agent keeps what it tells: `spec` where it is a custom resource of the cluster.
section(document) := "data" if {
	document.data
} else := "spec" if {
	document.spec
} else := "data"

# The file, or the files of the list, that a document has under `steps`; none where nothing was collected.
at(document, steps) := listed(concat(".", array.concat([section(document)], steps)), value) if {
	value := reached(document[section(document)], steps)
} else := []

reached(fields, steps) := fields[steps[0]] if {
	count(steps) == 1
} else := fields[steps[0]][steps[1]]

listed(path, value) := [described(path, value)] if {
	is_object(value)
} else := [found |
	is_array(value)
	some index
	entry := value[index]
	is_object(entry)
	found := described(sprintf("%s[%d]", [path, index]), entry)
]

described(path, entry) := {"path": path, "name": called(path, entry), "entry": entry}

called(path, entry) := entry.path if {
	is_string(entry.path)
	entry.path != ""
} else := path

# Those of `files` whose name ends in one of `endings`.
with_ending(files, endings) := [file |
	some file in files
	some ending in endings
	endswith(lower(file.name), ending)
]

# What keeps a list of files from being all of them, if the document says so (`kubekeep host collect`).
unlisted(document, field) := {sprintf("%s was not read: %s", [entry.path, entry.why]) |
	some entry in document.notRead
	entry.field == field
	is_string(entry.path)
	is_string(entry.why)
}

# Why the command line of a program, which would stand in `field`, was not read, if the document says so
# (`kubekeep host collect`).
unread_line(document, program, field) := {reason |
	some why in refusals(document, field)
	reason := sprintf("the command line of %s was not read: %s", [program, why])
}

# Why a field was not read, if the document says so.
refusals(document, field) := {why |
	some entry in document.notRead
	entry.field == field
	why := object.get(entry, "why", "nobody says why")
}

# What a command line that came with a document sets a flag to; undefined without.
flag(document, name) := flags.last(flags.pieces(line(document), "cmdLine"), name).value

# The command line; undefined if it was not collected.
line(document) := text if {
	text := trim_space(document[section(document)].cmdLine)
	text != ""
}

# Modes

# The violations of the files with a mode that allows something that `limit`, in octal, does not.
looser(files, limit) := {violation |
	some file in files
	mode := known_mode(file)
	bits.and(mode, bits.xor(511, number(limit))) != 0
	violation := {
		"path": sprintf("%s.permissions", [file.path]),
		"message": sprintf("%s has mode %s, which allows more than %s", [file.name, octal(mode), limit]),
	}
}

# The nine bits that say who may read, write and execute; what else a mode may hold gives nobody access.
known_mode(file) := bits.and(mode, 511) if {
	mode := file.entry.permissions
	is_number(mode)
}

octal(mode) := sprintf("%d%d%d", [bits.rsh(mode, 6), bits.and(bits.rsh(mode, 3), 7), bits.and(mode, 7)])

number(text) := (to_number(substring(text, 0, 1)) * 64) + (to_number(substring(text, 1, 1)) * 8) +
	to_number(substring(text, 2, 1))

# Why nothing can be said about modes; `what` names the files for those who read it.
unknown_modes(files, what) := {sprintf("%s was not collected", [what])} if {
	count(files) == 0
} else := {sprintf("the mode of %s was not collected", [file.name]) |
	some file in files
	not known_mode(file)
}

# Owners

# The violations of the files whose user or group is not one of `names`.
foreign(files, names) := {violation |
	some file in files
	user := known_owner(file, "username", "uid", names)
	group := known_owner(file, "groupname", "gid", names)
	not both(user, group, names)
	violation := {
		"path": sprintf("%s.ownership", [file.path]),
		"message": sprintf("%s belongs to %s:%s and not to %s", [file.name, user, group, wanted(names)]),
	}
}

both(user, group, names) if {
	user in names
	group in names
}

wanted(names) := concat(" or ", [sprintf("%s:%s", [name, name]) | some name in sort(names)])

# The name of the user or group. Where the node could not tell it, 0 is root's number, and any other is not;
# whether it is that of another of `names` nobody can tell.
known_owner(file, name, id, names) := found if {
	found := file.entry.ownership[name]
	is_string(found)
	found != ""
} else := "root" if {
	file.entry.ownership[id] == 0
	not failed(file)
} else := sprintf("%d", [found]) if {
	names == {"root"}
	found := file.entry.ownership[id]
	is_number(found)
	found > 0
}

# The agent could not ask for the owner: the numbers beside are nobody's.
failed(file) if {
	problem := file.entry.ownership.err
	problem != null
	problem != ""
}

unknown_owners(files, names, what) := {sprintf("%s was not collected", [what])} if {
	count(files) == 0
} else := {sprintf("the owner of %s was not collected", [file.name]) |
	some file in files
	not owned(file, names)
}

owned(file, names) if {
	known_owner(file, "username", "uid", names)
	known_owner(file, "groupname", "gid", names)
}
