package kubekeep.controls.cloud_credentials_of_node

violation contains {
	"path": sprintf("%s.volumes[%d].hostPath.path", [input.workload.path, index]),
	"message": sprintf("hostPath.path is %s, which can contain cloud credentials", [written]),
} if {
	some index
	written := input.workload.spec.volumes[index].hostPath.path
	is_string(written)
	credential(plain(written))
}

plain(path) := trim_right(regex.replace(replace(path, `\`, "/"), `/+`, "/"), "/")

credential(path) if {
	regex.match(`^(?:/etc/kubernetes|(?i:[a-z]:)/k)/azure\.json$`, path)
} else if {
	regex.match(`/(?:\.azure|\.aws|\.config/gcloud)(?:/|$)|^/gcloud(?:/|$)`, path)
} else if {
	contains_azure_file(path)
	startswith(input.cluster.objects.Node["default"][0].spec.providerID, "azure:")
}

# Every AKS node has the file below these folders.
contains_azure_file(path) if path in {"", "/etc", "/etc/kubernetes"}

not_evaluated contains sentence if {
	count(object.get(input.cluster.objects, ["Node", "default"], [])) == 0
	written := input.workload.spec.volumes[_].hostPath.path
	is_string(written)
	contains_azure_file(plain(written))
	sentence := sprintf("hostPath.path is %s, which contains credentials on AKS, and the input has no Node", [written])
}
