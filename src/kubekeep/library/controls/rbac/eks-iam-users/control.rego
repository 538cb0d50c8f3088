package kubekeep.controls.eks_iam_users

import data.kubekeep.lib.description
import data.kubekeep.lib.gke

# The cluster does not show how users are authenticated, so each Role with permissions is reported.
violation contains {"path": "", "message": "review whether the users and groups that hold this Role sign in through IAM"} if {
	input.object.kind == "Role"
	count(input.object.rules) > 0
}

violation contains {"path": enabled.path, "message": message} if {
	gke.described
	enabled := gke.field("authenticatorGroupsConfig", "enabled")
	not description.yes(enabled.value)
	message := "Google Groups for RBAC is off: roles are bound to people one by one"
}

declined contains "the description of the cluster is empty" if {
	input.object.kind == "ClusterDescribe"
	not description.described
}
