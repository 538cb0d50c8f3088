# Images as `kubekeep image scan` describes them: configuration, history, files and packages.
package kubekeep.lib.container_image

# True for the description of an image.
described if input.object.kind == "ContainerImage"

# The reason why the settings of an image are unknown. An image has a configuration, which may be empty.
without_configuration := "a folder has no image configuration" if {
	described
	not is_object(input.object.config)
}

# Variables of the configuration by number.
variables[number] := {"name": name, "value": value} if {
	some number
	[name, value] := pair(input.object.config.Env[number])
}

# Name and value of a text such as `NAME=value`.
pair(text) := [name, value] if {
	at := indexof(text, "=")
	at > 0
	name := substring(text, 0, at)
	value := substring(text, at + 1, -1)
}

# The origin of an entry in messages: the history line of its layer, or else the layer.
origin(entry) := sprintf(" (layer %s: %s)", [short(entry.layer), line]) if {
	is_string(entry.layer)
	entry.layer != ""

	# Equal layers are the same layer twice.
	lines := [step.createdBy | some step in input.object.history; step.layer == entry.layer]
	line := cut(trim_space(regex.replace(lines[0], `^/bin/sh -c (?:#\(nop\)\s*)?`, "")))
} else := sprintf(" (layer %s)", [short(entry.layer)]) if {
	is_string(entry.layer)
	entry.layer != ""
} else := ""

short(digest) := substring(trim_prefix(digest, "sha256:"), 0, 12)

cut(text) := text if {
	count(text) <= 120
} else := sprintf("%s...", [substring(text, 0, 117)])
