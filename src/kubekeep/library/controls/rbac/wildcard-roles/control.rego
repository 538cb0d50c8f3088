package kubekeep.controls.wildcard_roles

import data.kubekeep.lib.identity
import data.kubekeep.lib.rbac

# A role that is bound has no verdict of its own, because its subjects have one.
applies if input.object.relatedObjects

applies if unbound

violation contains {"path": path, "message": rbac.message("perform all actions")} if {
	some path in rbac.evidence({"*"}, {"*"})
}

violation contains {"path": path, "message": message} if {
	unbound
	some entry in rbac.granting(input.object.rules, {"": {"*"}}, {"*"})
	path := trim_prefix(entry, "relatedObjects[1].")
	message := sprintf("%s %s is not bound in the input; a subject bound to it could perform all actions", [
		input.object.kind,
		input.object.metadata.name,
	])
}

unbound if {
	input.object.kind in {"Role", "ClusterRole"}
	not cluster_admin
	key := sprintf("%s/%s", [input.object.kind, input.object.metadata.name])
	not input.cluster.grants.roles[identity.namespace_of(input.object)][key]
}

# Every cluster has this role and binds it to system:masters.
cluster_admin if {
	input.object.kind == "ClusterRole"
	input.object.metadata.name == "cluster-admin"
}

not_evaluated contains rbac.unknown_role
