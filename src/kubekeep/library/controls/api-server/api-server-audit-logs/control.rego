package kubekeep.controls.api_server_audit_logs

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.flags

servers := flags.servers("kube-apiserver")

applies if count(servers) > 0

applies if input.object.kind == "ClusterDescribe"

# Without a policy, no events are logged (Kubernetes docs, Auditing).
violation contains {
	"path": flags.end(server),
	"message": "--audit-policy-file is not set: no audit events are logged",
} if {
	some server in servers
	not has_flag(server, "audit-policy-file")
}

violation contains {"path": flags.end(server), "message": message} if {
	some server in servers
	not written(server)
	message := "--audit-log-path and --audit-webhook-config-file are not set: audit events are not stored"
}

written(server) if {
	some name in ["audit-log-path", "audit-webhook-config-file"]
	has_flag(server, name)
}

has_flag(server, name) if flags.value(server, name) != ""

# EKS

logging := description.at(description.cluster, "logging")

violation contains {"path": logging.path, "message": "logging.clusterLogging does not enable the log type audit"} if {
	described
	cloud.provider == "eks"
	not eks_logged
}

eks_logged if {
	some entry in description.entries(description.at(logging, "clusterLogging"))
	description.yes(description.at(entry, "enabled").value)
	"audit" in description.at(entry, "types").value
}

# GKE

service := description.at(description.cluster, "loggingService")

config := description.at(description.cluster, "loggingConfig")

components := description.at(description.at(config, "componentConfig"), "enableComponents")

violation contains {"path": service.path, "message": "loggingService is none: Cloud Logging is disabled"} if {
	described
	cloud.provider == "gke"
	service.value == "none"
}

violation contains {
	"path": components.path,
	"message": "enableComponents is empty: no component sends logs to Cloud Logging",
} if {
	described
	cloud.provider == "gke"
	service.value == null
	is_object(config.value)
	count(description.entries(components)) == 0
}

not_evaluated contains "the description of the cluster has neither loggingService nor loggingConfig" if {
	described
	cloud.provider == "gke"
	service.value == null
	config.value == null
}

described if {
	input.object.kind == "ClusterDescribe"
	description.described
}

not_evaluated contains "the description of the cluster is empty" if {
	input.object.kind == "ClusterDescribe"
	not description.described
}
