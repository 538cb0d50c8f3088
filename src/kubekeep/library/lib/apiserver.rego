# Command lines of the kube-apiserver, from static pods or reports of the node agent, and violations by flags.
# Functions for a flag return a list of violations, empty if there are none.
package kubekeep.lib.apiserver

import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

# API servers of an object: the `words` of the command line, the path `end` for an additional word and `next` for a
# second one, and `plain`: true if words can be added to the list.
servers(object) := [server |
	some container in flags.servers("kube-apiserver")
	server := {
		"words": words(container),
		"end": flags.end(container),
		"next": flags.free_path(container, 1),
		"plain": plain(container),
		"minor": flags.minor(container),
	}
] if {
	object.metadata.namespace == "kube-system"
	contains(json.marshal(input.workload.containers), "kube-apiserver")
} else := [server] if {
	section := hostfile.section(object)
	line := trim_space(object[section].APIServerInfo.cmdLine)
	regex.match(`(^|[/\s])kube-apiserver(\s|$)`, line)
	not flags.has_static_pod("kube-apiserver", object.metadata.name)
	path := sprintf("%s.APIServerInfo.cmdLine", [section])
	reported := [{"text": text, "path": path, "whole": false} | some text in regex.split(`\s+`, line)]
	server := {"words": reported, "end": path, "next": path, "plain": false, "minor": input.kubernetes.minor}
} else := []

plain(container) if {
	flags.plain(container)
} else := false

# Reason that the command line of a node is unknown; undefined if its static pod is evaluated instead.
unread_line(object) := hostfile.unread_line(object, "kube-apiserver", "APIServerInfo.cmdLine") if {
	object.kind == "ControlPlaneInfo"
	not flags.has_static_pod("kube-apiserver", object.metadata.name)
} else := set()

# A list entry with several flags is split, as its author meant several.
words(container) := [word |
	some entry in flags.words(container)
	some word in apart(entry)
]

apart(entry) := [entry] if {
	not contains(entry.text, " --")
} else := [{"text": trim_space(text), "path": entry.path, "whole": false} |
	some text in split(replace(entry.text, " --", "\n--"), "\n")
]

setting(server, flag) := flags.last(server.words, flag)

has(server, flag) if setting(server, flag).value != ""

# True if the server connects to its store through a Unix socket, which uses no certificates: K3s has its database
# behind one.
by_socket(server) if {
	addresses := listed(server, "etcd-servers")
	count(addresses) > 0
	every address in addresses {
		startswith(address, "unix:")
	}
}

# A boolean flag that is not `expected`; `otherwise` is its default.
boolean(server, flag, expected, otherwise) := [violation] if {
	current := setting(server, flag)
	boolean_text(current.value) != expected
	message := sprintf("--%s is %s", [flag, current.value])
	violation := object.union(flags.replaced(current, expected), {"message": message})
} else := [added(server, flag, expected, sprintf("the default is %s", [otherwise]))] if {
	expected != otherwise
	not setting(server, flag)
} else := []

boolean_text(value) := "true" if {
	lower(value) in {"true", "t", "1"}
} else := "false" if {
	lower(value) in {"false", "f", "0"}
} else := value

# A flag that is missing or empty and whose value depends on the cluster. `so` is the consequence.
required(server, flag, so) := [{"path": current.path, "message": sprintf("--%s is empty: %s", [flag, so])}] if {
	current := setting(server, flag)
	current.value == ""
} else := [{"path": server.end, "message": sprintf("--%s is not set: %s", [flag, so])}] if {
	not setting(server, flag)
} else := []

# The server with the next free path, so that two missing flags of a pair have different locations.
after(server) := object.union(server, {"end": server.next})

# A flag whose number is below `least`, or that is missing.
at_least(server, flag, least, so) := [object.union(flags.replaced(current, enough), {"message": message})] if {
	current := setting(server, flag)
	not reaches(current.value, least)
	enough := format_int(least, 10)
	message := sprintf("--%s is %s, less than %d: %s", [flag, current.value, least, so])
} else := [added(server, flag, format_int(least, 10), so)] if {
	not setting(server, flag)
} else := []

reaches(value, least) if {
	regex.match(`^[0-9]+$`, value)
	to_number(value) >= least
}

# Violation for a missing flag that requires `value`.
added(server, flag, value, so) := object.union(change, {"message": sprintf("--%s is not set: %s", [flag, so])}) if {
	server.plain
	change := {"path": server.end, "fix": sprintf("--%s=%s", [flag, value])}
} else := {"path": server.end, "message": sprintf("--%s is not set: %s", [flag, so])}

# Seconds of a Go duration such as 1m30s; undefined for other text.
seconds(text) := sum([length |
	some part in regex.find_all_string_submatch_n(`([0-9.]+)(ms|us|ns|h|m|s)`, text, -1)
	length := to_number(part[1]) * unit[part[2]]
]) if {
	regex.match(`^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ms|us|ns|h|m|s))+$`, text)
}

unit := {"h": 3600, "m": 60, "s": 1, "ms": 0.001, "us": 0.000001, "ns": 0.000000001}

# Flags with lists; repeated flags are combined.

entries(value) := [entry |
	some text in split(value, ",")
	entry := trim_space(text)
	entry != ""
]

listed(server, flag) := {entry |
	some current in flags.settings(server.words, flag)
	some entry in entries(current.value)
}

# A list that must contain `name`.
includes(server, flag, name, so) := [object.union(flags.replaced(current, value), {"message": message})] if {
	current := setting(server, flag)
	not name in listed(server, flag)
	value := concat(",", array.concat(entries(current.value), [name]))
	message := sprintf("--%s does not contain %s: %s", [flag, name, so])
} else := [added(server, flag, name, so)] if {
	not setting(server, flag)
} else := []

# A list that must not contain `name`.
excludes(server, flag, name, so) := [object.union(without(current, name), {"message": message}) |
	some current in flags.settings(server.words, flag)
	name in entries(current.value)
	message := sprintf("--%s contains %s: %s", [flag, name, so])
]

without(current, name) := flags.replaced(current, concat(",", kept)) if {
	kept := [entry | some entry in entries(current.value); entry != name]
	count(kept) > 0
} else := removed(current)

# Violation for a word to remove; no deletion is proposed if flag and value are two words.
removed(current) := {"path": current.path, "delete": true} if {
	current.whole
	current.text != "%s"
} else := {"path": current.path}

# Admission plugins

# A plugin that is disabled by default.
enabled(server, plugin, so) := array.concat(
	includes(server, "enable-admission-plugins", plugin, so),
	not_disabled(server, plugin, so),
)

# A plugin that is enabled by default.
not_disabled(server, plugin, so) := excludes(server, "disable-admission-plugins", plugin, so)

not_enabled(server, plugin, so) := excludes(server, "enable-admission-plugins", plugin, so)

# Authorization

modes(server) := listed(server, "authorization-mode")

# A required authorization mode; the default is AlwaysAllow.
mode(server, name, so) := [object.union(flags.replaced(current, value), {"message": message})] if {
	current := setting(server, "authorization-mode")
	not name in modes(server)
	others := [entry | some entry in entries(current.value); entry != "AlwaysAllow"]
	value := concat(",", array.concat(others, [name]))
	message := sprintf("--authorization-mode is %s and does not contain %s: %s", [current.value, name, so])
} else := missing_modes(server)

missing_modes(server) := [added(server, "authorization-mode", "Node,RBAC", "all requests are allowed by default")] if {
	not setting(server, "authorization-mode")
	not authorized_by_file(server)
} else := []

# An AuthorizationConfiguration replaces the flags (Kubernetes docs, Authorization).
authorized_by_file(server) if {
	has(server, "authorization-config")
	not setting(server, "authorization-mode")
}

unread_modes(servers) := {"the file of --authorization-config was not collected" |
	some server in servers
	authorized_by_file(server)
}

# Suites of `--tls-cipher-suites` that are not among the strong ones. TLS 1.3 suites cannot be selected.
ciphers(server, strong) := [] if {
	setting(server, "tls-min-version").value == "VersionTLS13"
} else := [added(server, "tls-cipher-suites", concat(",", recommended), "the default includes weak cipher suites")] if {
	not setting(server, "tls-cipher-suites")
} else := [object.union(flags.replaced(current, concat(",", recommended)), {"message": message})] if {
	current := setting(server, "tls-cipher-suites")
	entries(current.value) == []
	message := "--tls-cipher-suites is empty: the default includes weak cipher suites"
} else := [object.union(flags.replaced(current, concat(",", better(kept))), {"message": message}) |
	some current in flags.settings(server.words, "tls-cipher-suites")
	weak := [entry | some entry in entries(current.value); not entry in strong]
	count(weak) > 0
	kept := [entry | some entry in entries(current.value); entry in strong]
	message := sprintf("--tls-cipher-suites contains weak cipher suites: %s", [concat(", ", weak)])
]

better(kept) := kept if {
	count(kept) > 0
} else := recommended

# Suites with forward secrecy and authenticated encryption; HTTP/2 requires the first two.
recommended := [
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]

# Content of a node file in host data, as plain text or base64.
parsed(content) := document if {
	document := yaml.unmarshal(base64.decode(content))
	is_object(document)
} else := document if {
	document := yaml.unmarshal(content)
	is_object(document)
}
