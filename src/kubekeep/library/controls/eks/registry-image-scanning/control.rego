package kubekeep.controls.registry_image_scanning

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description

repositories := listed if {
	listed := description.at(description.whole, "repositories")
	is_array(listed.value)
} else := description.at(description.whole, "registries")

not_evaluated contains "the list of repositories was not collected" if not is_array(repositories.value)

# Amazon ECR

violation contains {"path": scan.path, "message": message} if {
	cloud.provider == "eks"
	some repository in description.entries(repositories)
	scan := description.at(description.at(repository, "imageScanningConfiguration"), "scanOnPush")
	not description.yes(scan.value)
	message := sprintf("repository %v: scanOnPush is not true", [name(repository, "repositoryName")])
}

# Artifact Registry

violation contains {"path": scanning.path, "message": message} if {
	cloud.provider == "gke"
	some repository in description.entries(repositories)
	docker(description.at(repository, "format").value)
	scanning := description.at(repository, "vulnerabilityScanningConfig")
	not scanned(scanning)
	message := sprintf("repository %v: vulnerability scanning is not active", [name(repository, "name")])
}

# Only repositories for images can be scanned.
docker(format) if format in {null, "DOCKER", 1}

# The current state (`enablementState`) is more reliable than the requested one (`enablementConfig`), which depends on
# whether the API is enabled in the project.
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
