package kubekeep.controls.eks_cluster_access_api

import data.kubekeep.lib.description

violation contains {"path": mode.path, "message": message} if {
	description.described
	mode := description.at(description.at(description.cluster, "accessConfig"), "authenticationMode")
	not managed(mode.value)
	message := sprintf("authenticationMode is %s: only the ConfigMap aws-auth controls access", [said(mode.value)])
}

managed(mode) if {
	is_string(mode)
	upper(mode) in {"API", "API_AND_CONFIG_MAP"}
}

said(mode) := "not set (default CONFIG_MAP)" if {
	mode == null
} else := mode

declined contains "the description of the cluster is empty" if not description.described
