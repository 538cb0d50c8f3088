package kubekeep.controls.outdated_kubernetes

kubelet := input.object.status.nodeInfo.kubeletVersion

# Newest known minor release, independent of the version that the scan evaluates for.
newest := max([37, input.kubernetes.minor])

minor := to_number(match[0][1]) if {
	match := regex.find_all_string_submatch_n(`^v?1\.([0-9]+)`, kubelet, 1)
	count(match) > 0
}

violation contains {"path": "status.nodeInfo.kubeletVersion", "message": message} if {
	minor < newest - 3
	message := sprintf("kubeletVersion is %s, %d minor releases behind 1.%d", [kubelet, newest - minor, newest])
}

not_evaluated contains "the kubelet version of the node is not in the input" if not minor
