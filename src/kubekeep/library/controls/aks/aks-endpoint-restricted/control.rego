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
	count(description.entries(ranges)) == 0
}

violation contains {"path": open_range.path, "message": message} if {
	not private
	some open_range in description.entries(ranges)
	open_range.value in {"0.0.0.0/0", "::/0"}
	message := sprintf("authorizedIPRanges contains %s: the public API server is open to every address", [
		open_range.value,
	])
}

not_evaluated contains "the description of the cluster is empty" if not description.described
