package kubekeep.controls.secret_encryption_at_rest

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

applies if cloud.provider

violation contains {"path": flags.end(server), "message": message} if {
	some server in servers
	not configured(server)
	message := "--encryption-provider-config is missing: secrets are stored as they are"
}

configured(server) if {
	some name in ["encryption-provider-config", "experimental-encryption-provider-config"]
	flags.value(server, name) != ""
}

# EKS

violation contains {"path": eks_path, "message": "secrets are not encrypted with a key of KMS"} if {
	cloud.provider == "eks"
	not eks_encrypted
}

eks_encrypted if {
	item := cloud.any_of(cloud.eks, ["EncryptionConfig", "encryptionConfig"])[_]
	"secrets" in cloud.any_of(item, ["Resources", "resources"])
	key := cloud.any_of(cloud.any_of(item, ["Provider", "provider"]), ["KeyArn", "keyArn"])
	key != ""
}

# Since 1.28 EKS encrypts all data of the API with a key of its own.
eks_encrypted if cloud.minor >= 28

eks_path := "data.Cluster.EncryptionConfig" if {
	input.object.data.Cluster
} else := "data.cluster.encryptionConfig"

# GKE

violation contains {"path": state.path, "message": "secrets are not encrypted with a key of Cloud KMS"} if {
	input.object.kind == "ClusterDescribe"
	cloud.provider == "gke"
	encryption := description.at(description.cluster, "databaseEncryption")
	state := description.at(encryption, "state")
	not state.value in {1, "ENCRYPTED"}
}

# AKS

violation contains {"path": enabled.path, "message": "secrets are not encrypted with a key of Azure Key Vault"} if {
	input.object.kind == "ClusterDescribe"
	cloud.provider == "aks"
	security := description.at(description.cluster, "securityProfile")
	enabled := description.at(description.at(security, "azureKeyVaultKms"), "enabled")
	not description.yes(enabled.value)
	not hosts_encrypted
}

hosts_encrypted if {
	pools := description.items(description.at(description.cluster, "agentPoolProfiles"))
	count(pools) > 0
	every pool in pools {
		description.yes(description.at(pool, "enableEncryptionAtHost").value)
	}
}
