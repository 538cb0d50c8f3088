package kubekeep.controls.eks_iam_users

import data.kubekeep.lib.description
import data.kubekeep.lib.gke

# How people sign in stands nowhere in the cluster, so each Role that grants something is listed.
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
