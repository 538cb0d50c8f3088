# The kubelet of a node, as the node agent reports it: its command line and its configuration file.
package kubekeep.lib.kubelet

import data.kubekeep.lib.flags

line := trim_space(input.object.data.cmdLine)

words := flags.pieces(line, "data.cmdLine")

# The value of a flag on the command line, which wins over the file.
flag(name) := flags.last(words, name).value

# A kubelet reads a file only when it is told to; without one, the defaults of its flags hold, which are
# weaker than those of the file.
has_file if flag("config") != ""

content := input.object.data.configFile.content

config := parsed if {
	parsed := yaml.unmarshal(base64.decode(content))
	is_object(parsed)
} else := parsed if {
	parsed := yaml.unmarshal(content)
	is_object(parsed)
}

known if is_object(config)

# Why nothing can be said about a setting that the command line leaves to the file.
unread contains "the command line of the kubelet was not collected" if not line

unread contains "the command line of the kubelet was not collected" if line == ""

unread contains "the configuration file of the kubelet was not collected or cannot be read" if {
	has_file
	not known
}
