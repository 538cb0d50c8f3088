package kubekeep.controls.registry_image_scanning

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description

repositories := found if {
	found := description.at(description.whole, "repositories")
	is_array(found.value)
} else := description.at(description.whole, "registries")

declined contains "the list of repositories was not collected" if not is_array(repositories.value)

# Amazon ECR

violation contains {"path": scan.path, "message": message} if {
	cloud.provider == "eks"
	some repository in description.items(repositories)
	scan := description.at(description.at(repository, "imageScanningConfiguration"), "scanOnPush")
	not description.yes(scan.value)
	message := sprintf("repository %v does not scan images on push", [name(repository, "repositoryName")])
}

# Artifact Registry

violation contains {"path": scanning.path, "message": message} if {
	cloud.provider == "gke"
	some repository in description.items(repositories)
	docker(description.at(repository, "format").value)
	scanning := description.at(repository, "vulnerabilityScanningConfig")
	not scanned(scanning)
	message := sprintf("repository %v does not scan images", [name(repository, "name")])
}

# Scanning is for images, whatever else the registry keeps.
docker(format) if format in {null, "DOCKER", 1}

# What is true now (`enablementState`) tells more than what is asked for (`enablementConfig`), which depends on
# whether the project has enabled the API.
scanned(scanning) := description.yes(flag) if {
	flag := description.at(scanning, "enableVulnerabilityScanning").value
	flag != null
} else := state in {"SCANNING_ACTIVE", "SCANNING_UNSUPPORTED", 3, 1} if {
	state := description.at(scanning, "enablementState").value
	not state in {null, "ENABLEMENT_STATE_UNSPECIFIED", 0}
} else := description.at(scanning, "enablementConfig").value in {"INHERITED", 1}

name(repository, field) := object.get({null: "without a name"}, value, value) if {
	value := description.at(repository, field).value
}
