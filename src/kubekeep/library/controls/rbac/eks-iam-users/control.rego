package kubekeep.controls.eks_iam_users

import data.kubekeep.lib.description
import data.kubekeep.lib.gke

# The cluster does not show how users are authenticated, so each Role with permissions is reported.
violation contains {
	"path": "",
	"message": "review the users and groups of this Role: they must authenticate through IAM",
} if {
	input.object.kind == "Role"
	count(input.object.rules) > 0
}

violation contains {"path": enabled.path, "message": message} if {
	gke.described
	enabled := gke.field("authenticatorGroupsConfig", "enabled")
	not description.yes(enabled.value)
	message := "authenticatorGroupsConfig.enabled is not true: Google Groups for RBAC is disabled"
}

not_evaluated contains "the description of the cluster is empty" if {
	input.object.kind == "ClusterDescribe"
	not description.described
}
