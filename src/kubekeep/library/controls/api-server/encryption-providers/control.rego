package kubekeep.controls.encryption_providers

import data.kubekeep.lib.apiserver
import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

inside := sprintf("%s.APIServerInfo.encryptionProviderConfigFile.content", [section])

server := input.object[section].APIServerInfo

content := server.encryptionProviderConfigFile.content

config := apiserver.parsed(content)

entries := config.resources if is_array(config.resources)

applies if {
	is_string(content)
	content != ""
}

applies if count(unread) > 0

applies if regex.match(`--(experimental-)?encryption-provider-config[= ]`, server.cmdLine)

not_evaluated contains "the file of --encryption-provider-config was not collected or cannot be read" if {
	not entries
	count(unread) == 0
}

not_evaluated contains reason if {
	not entries
	some reason in unread
}

# The path of the file is in the command line only.
unread := hostfile.unread_line(input.object, "kube-apiserver", "APIServerInfo.cmdLine")

violation contains {"inside": inside, "path": path, "message": message} if {
	some index
	kinds := kinds_of(entries[index])
	not protects(kinds[0])
	not left_out(index, kinds)
	path := sprintf("resources[%d].providers[%d]", [index, position(kinds)])
	message := sprintf("resources[%d]: the first provider is %s, expected aescbc, kms or secretbox", [
		index,
		writer(kinds),
	])
}

# Kinds of the providers of an entry, in order.
kinds_of(entry) := [kind |
	provider := entry.providers[_]
	kind := concat(",", object.keys(provider))
]

protects(kind) if kind in {"aescbc", "kms", "secretbox"}

# Index at which to add a provider, or of the wrong first provider if a right one follows.
position(kinds) := 0 if {
	some kind in kinds
	protects(kind)
} else := count(kinds)

writer(kinds) := kinds[0] if {
	count(kinds) > 0
} else := "not set"

# An entry before a wildcard may exclude resources that need no encryption (Kubernetes docs, Encrypting Confidential
# Data).
left_out(index, ["identity"]) if {
	names := {name | name := entries[index].resources[_]}
	count(names & {"secrets", "secrets.", "*.", "*.*"}) == 0
	some later
	name := entries[later].resources[_]
	later > index
	startswith(name, "*.")
}
