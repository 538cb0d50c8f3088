package kubekeep.controls.secret_encryption_at_rest

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

applies if input.object.kind == "ClusterDescribe"

violation contains {"path": flags.end(server), "message": message} if {
	some server in servers
	not configured(server)
	message := "--encryption-provider-config is not set: Secrets are not encrypted at rest"
}

configured(server) if {
	some name in ["encryption-provider-config", "experimental-encryption-provider-config"]
	flags.value(server, name) != ""
}

# EKS

encryption := description.at(description.cluster, "encryptionConfig")

violation contains {"path": encryption.path, "message": "encryptionConfig does not encrypt Secrets with a KMS key"} if {
	described
	cloud.provider == "eks"
	not eks_encrypted
}

eks_encrypted if {
	some entry in description.entries(encryption)
	"secrets" in description.at(entry, "resources").value
	not description.at(description.at(entry, "provider"), "keyArn").value in {null, ""}
}

# Since 1.28, EKS encrypts all API data with its own key.
eks_encrypted if description.minor >= 28

# GKE

violation contains {
	"path": state.path,
	"message": "databaseEncryption.state is not ENCRYPTED: Secrets are not encrypted with a Cloud KMS key",
} if {
	described
	cloud.provider == "gke"
	state := description.at(description.at(description.cluster, "databaseEncryption"), "state")
	not state.value in {1, "ENCRYPTED"}
}

# AKS

violation contains {
	"path": enabled.path,
	"message": "azureKeyVaultKms.enabled is not true: Secrets are not encrypted with a Key Vault key",
} if {
	described
	cloud.provider == "aks"
	security := description.at(description.cluster, "securityProfile")
	enabled := description.at(description.at(security, "azureKeyVaultKms"), "enabled")
	not description.yes(enabled.value)
	not hosts_encrypted
}

hosts_encrypted if {
	pools := description.entries(description.at(description.cluster, "agentPoolProfiles"))
	count(pools) > 0
	every pool in pools {
		description.yes(description.at(pool, "enableEncryptionAtHost").value)
	}
}

described if {
	input.object.kind == "ClusterDescribe"
	description.described
}

not_evaluated contains "the description of the cluster is empty" if {
	input.object.kind == "ClusterDescribe"
	not description.described
}
