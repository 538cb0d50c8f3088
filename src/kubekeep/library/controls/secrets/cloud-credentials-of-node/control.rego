package kubekeep.controls.cloud_credentials_of_node

violation contains {
	"path": sprintf("%s.volumes[%d].hostPath.path", [input.workload.path, index]),
	"message": sprintf("the volume %v mounts %s of the node, where credentials of the cloud are", [volume.name, written]),
} if {
	some index
	volume := input.workload.spec.volumes[index]
	written := volume.hostPath.path
	is_string(written)
	credential(plain(written))
}

plain(path) := trim_right(regex.replace(replace(path, `\`, "/"), `/+`, "/"), "/")

credential(path) if {
	regex.match(`^(?:/etc/kubernetes|(?i:[a-z]:)/k)/azure\.json$|/(?:\.azure|\.aws|\.config/gcloud)(?:/|$)|^/gcloud(?:/|$)`, path)
} else if {
	path in {"", "/etc", "/etc/kubernetes"}
	startswith(data.cluster.objects.Node["default"][0].spec.providerID, "azure:")
}
