package kubekeep.controls.external_secret_store

import data.kubekeep.lib.flags
import data.kubekeep.lib.hostfile

section := hostfile.section(input.object)

server := input.object[section].APIServerInfo

content := server.encryptionProviderConfigFile.content

applies if server.cmdLine

applies if count(unread) > 0

applies if server.encryptionProviderConfigFile

line := trim_space(server.cmdLine)

configured if flags.last(flags.pieces(line, "cmdLine"), "encryption-provider-config").value != ""

configured if server.encryptionProviderConfigFile

configuration := parsed if {
	parsed := yaml.unmarshal(base64.decode(content))
	is_object(parsed)
} else := parsed if {
	parsed := yaml.unmarshal(content)
	is_object(parsed)
}

# Paths of an additional entry for Secrets at the end. The settings of the provider depend on its plugin.
violation contains {
	"inside": inside,
	"path": sprintf("resources[%d].resources[0]", [count(entries)]),
	"fix": "secrets",
	"message": message,
} if {
	is_object(configuration)
	not stored_outside
}

violation contains {
	"inside": inside,
	"path": sprintf("resources[%d].providers[0].kms", [count(entries)]),
	"message": message,
} if {
	is_object(configuration)
	not stored_outside
}

violation contains {"path": sprintf("%s.APIServerInfo.cmdLine", [section]), "message": missing} if {
	line != ""
	not configured
}

missing := "--encryption-provider-config is not set: Secrets are not encrypted at rest"

inside := sprintf("%s.APIServerInfo.encryptionProviderConfigFile.content", [section])

message := "no kms provider of a known external store encrypts Secrets"

not_evaluated contains "the encryption configuration was not collected or cannot be read" if {
	configured
	not is_object(configuration)
}

not_evaluated contains reason if {
	not configured
	some reason in unread
}

unread := hostfile.unread_line(input.object, "kube-apiserver", "APIServerInfo.cmdLine")

not_evaluated contains "the command line of the API server was not collected" if {
	not configured
	line == ""
}

default entries := []

entries := configuration.resources if is_array(configuration.resources)

stored_outside if {
	some index
	entries[index].resources[_] in {"secrets", "*.", "*.*"}
	kms := entries[index].providers[_].kms
	some word in [kms.name, kms.endpoint]
	regex.match(stores, lower(word))
}

# Names of plugins for external stores. A plugin with another name may keep its key on the node.
stores := concat("|", [
	"akeyless", "alibaba", "aliyun", "aws", "azure", "key-?vault", "barbican", "ciphertrust", "cloud-?kms",
	"conjur", "cyberark", "doppler", "fortanix", "gcp", "google", "hashicorp", "ibm", "infisical", "key-?protect",
	"oci-", "openbao", "oracle", "tencent", "thales", "vault", "yandex",
])
