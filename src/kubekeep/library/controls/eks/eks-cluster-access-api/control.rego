package kubekeep.controls.eks_cluster_access_api

import data.kubekeep.lib.description

violation contains {"path": mode.path, "message": message} if {
	description.described
	mode := description.at(description.at(description.cluster, "accessConfig"), "authenticationMode")
	not managed(mode.value)
	message := sprintf("authenticationMode is %s: only the ConfigMap aws-auth controls access", [shown(mode.value)])
}

managed(mode) if {
	is_string(mode)
	upper(mode) in {"API", "API_AND_CONFIG_MAP"}
}

shown(mode) := "not set (default CONFIG_MAP)" if {
	mode == null
} else := mode

not_evaluated contains "the description of the cluster is empty" if not description.described
