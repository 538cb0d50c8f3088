package kubekeep.controls.volume_encryption

violation contains {"path": "spec.storageClassName", "message": message} if {
	not always_encrypted
	some class in classes
	clear(class)
	message := sprintf("StorageClass %s of %s: parameters.encrypted is not set to \"true\"", [name, class.provisioner])
}

not_evaluated contains "storageClassName is not set, and the volume driver does not show if the disk is encrypted" if {
	not always_encrypted
	count(classes) == 0
	name == ""
}

not_evaluated contains message if {
	not always_encrypted
	count(classes) == 0
	name != ""
	message := sprintf("the input does not contain StorageClass %s, which shows if the volume is encrypted", [name])
}

not_evaluated contains message if {
	not always_encrypted
	some class in classes
	not encrypted(class)
	not clear(class)
	message := sprintf("the StorageClass parameters of %v do not show if volumes are encrypted", [
		object.get(class, "provisioner", "the provisioner"),
	])
}

default name := ""

name := input.object.spec.storageClassName if is_string(input.object.spec.storageClassName)

# Files may define a class several times.
classes := object.get(input.cluster, ["named", "StorageClass", "default", name], [])

# Azure and Google Cloud encrypt all disks with platform keys by default.
clouds := {
	"disk.csi.azure.com",
	"file.csi.azure.com",
	"filestore.csi.storage.gke.io",
	"kubernetes.io/azure-disk",
	"kubernetes.io/azure-file",
	"kubernetes.io/gce-pd",
	"pd.csi.storage.gke.io",
}

always_encrypted if input.object.spec.csi.driver in clouds

always_encrypted if {
	some source in ["azureDisk", "azureFile", "gcePersistentDisk"]
	object.get(input.object.spec, source, null) != null
}

always_encrypted if {
	count(classes) > 0
	every class in classes {
		class.provisioner in clouds
	}
}

encrypted(class) if encrypted_parameter(class) == "true"

encrypted(class) if class.provisioner in clouds

clear(class) if {
	encrypted_parameter(class) == "false"
	not class.provisioner in clouds
}

# Drivers that encrypt only on request.
clear(class) if {
	encrypted_parameter(class) == ""
	class.provisioner in {
		"driver.longhorn.io",
		"ebs.csi.aws.com",
		"ebs.csi.eks.amazonaws.com",
		"kubernetes.io/aws-ebs",
	}
}

clear(class) if {
	encrypted_parameter(class) == ""
	endswith(class.provisioner, "rbd.csi.ceph.com")
}

encrypted_parameter(class) := lower(sprintf("%v", [class.parameters.encrypted])) if {
	class.parameters.encrypted != null
} else := ""
