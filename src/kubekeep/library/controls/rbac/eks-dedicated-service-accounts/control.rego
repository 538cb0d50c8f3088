package kubekeep.controls.eks_dedicated_service_accounts

import data.kubekeep.lib.accounts
import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.gke

applies if input.object.kind != "ServiceAccount"

applies if input.object.metadata.name == "default"

violation contains {"path": path, "message": message} if {
	some index
	subject := input.object.subjects[index]
	accounts.named(subject, "default")
	path := sprintf("subjects[%d]", [index])
	message := sprintf("the default service account is bound to %s %s: pods use it unless they set another", [
		input.object.roleRef.kind,
		input.object.roleRef.name,
	])
}

violation contains {"path": "automountServiceAccountToken", "message": message} if {
	input.object.kind == "ServiceAccount"
	object.get(input.object, "automountServiceAccountToken", null) != false
	message := "automountServiceAccountToken of the default service account is not set to false"
}

violation contains {"path": sprintf("metadata.annotations[%q]", [key]), "message": message} if {
	input.object.kind == "ServiceAccount"
	some key, kind in {
		"eks.amazonaws.com/role-arn": "the IAM role",
		"iam.gke.io/gcp-service-account": "the Google service account",
	}
	name := input.object.metadata.annotations[key]
	message := sprintf("the default service account has %s %s: pods use it unless they set another", [kind, name])
}

# GKE

violation contains {"path": workload_pool.path, "message": message} if {
	gke.described
	not gke.autopilot
	workload_pool := gke.field("workloadIdentityConfig", "workloadPool")
	workload_pool.value in {null, ""}
	message := "workloadIdentityConfig.workloadPool is not set: pods use the Google account of their node"
}

violation contains {"path": mode.path, "message": message} if {
	gke.described
	not gke.autopilot
	not gke.field("workloadIdentityConfig", "workloadPool").value in {null, ""}
	some pool in gke.pools
	mode := description.at(description.at(pool.config, "workloadMetadataConfig"), "mode")
	not mode.value in {"GKE_METADATA", 2}
	message := sprintf("node pool %s: workloadMetadataConfig.mode is not GKE_METADATA", [pool.name])
}

not_evaluated contains "the description of the cluster is empty" if {
	cloud.provider
	not description.described
}
