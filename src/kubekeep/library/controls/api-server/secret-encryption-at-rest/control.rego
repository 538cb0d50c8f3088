package kubekeep.controls.secret_encryption_at_rest

import data.kubekeep.lib.cloud
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

violation contains {"path": gke_path, "message": "secrets are not encrypted with a key of Cloud KMS"} if {
	cloud.provider == "gke"
	not gke_state in {1, "ENCRYPTED"}
}

gke_state := cloud.any_of(
	cloud.any_of(input.object.data, ["database_encryption", "databaseEncryption"]),
	["state", "State", "current_state", "currentState"],
)

gke_path := "data.databaseEncryption.state" if {
	input.object.data.databaseEncryption
} else := "data.database_encryption.state"

# AKS

violation contains {"path": "data.properties.securityProfile.azureKeyVaultKms.enabled", "message": message} if {
	cloud.provider == "aks"
	not aks_encrypted
	message := "secrets are not encrypted with a key of Azure Key Vault"
}

aks_encrypted if input.object.data.properties.securityProfile.azureKeyVaultKms.enabled == true

aks_encrypted if {
	pools := input.object.data.properties.agentPoolProfiles
	count(pools) > 0
	every pool in pools {
		pool.enableEncryptionAtHost == true
	}
}
