package kubekeep.controls.aks_endpoint_restricted

import data.kubekeep.lib.description

access := description.at(description.cluster, "apiServerAccessProfile")

ranges := description.at(access, "authorizedIPRanges")

private if description.yes(description.at(access, "enablePrivateCluster").value)

violation contains {
	"path": ranges.path,
	"message": "authorizedIPRanges is not set: the public API server is open to every address",
} if {
	description.described
	not private
	count(description.items(ranges)) == 0
}

violation contains {"path": everything.path, "message": message} if {
	not private
	some everything in description.items(ranges)
	everything.value in {"0.0.0.0/0", "::/0"}
	message := sprintf("authorizedIPRanges contains %s: the public API server is open to every address", [
		everything.value,
	])
}

declined contains "the description of the cluster is empty" if not description.described
