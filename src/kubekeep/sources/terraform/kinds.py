"""Naming rules of Terraform's Kubernetes provider as tables: kinds of resources and names of fields.

Facts of the schemas of hashicorp/kubernetes, checked as described in docs/decisions/0009-terraform.md. A field in no
table has a name in camel case; scalars are text and blocks are objects.
"""

from __future__ import annotations

import re
from typing import Final

_VERSION: Final = re.compile(r"_v(\d+(?:(?:alpha|beta)\d+)?)$")
_PREFIX: Final = "kubernetes_"

_KINDS: Final[dict[str, tuple[str, str, str]]] = {
    "api_service": ("apiregistration.k8s.io", "v1", "APIService"),
    "certificate_signing_request": ("certificates.k8s.io", "v1beta1", "CertificateSigningRequest"),
    "cluster_role": ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    "cluster_role_binding": ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    "config_map": ("", "v1", "ConfigMap"),
    "cron_job": ("batch", "v1beta1", "CronJob"),
    "csi_driver": ("storage.k8s.io", "v1beta1", "CSIDriver"),
    "daemon_set": ("apps", "v1", "DaemonSet"),
    "daemonset": ("apps", "v1", "DaemonSet"),
    "default_service_account": ("", "v1", "ServiceAccount"),
    "deployment": ("apps", "v1", "Deployment"),
    "endpoint_slice": ("discovery.k8s.io", "v1", "EndpointSlice"),
    "endpoints": ("", "v1", "Endpoints"),
    "horizontal_pod_autoscaler": ("autoscaling", "v1", "HorizontalPodAutoscaler"),
    "ingress": ("networking.k8s.io", "v1beta1", "Ingress"),
    "ingress_class": ("networking.k8s.io", "v1", "IngressClass"),
    "job": ("batch", "v1", "Job"),
    "limit_range": ("", "v1", "LimitRange"),
    "mutating_webhook_configuration": ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration"),
    "namespace": ("", "v1", "Namespace"),
    "network_policy": ("networking.k8s.io", "v1", "NetworkPolicy"),
    "persistent_volume": ("", "v1", "PersistentVolume"),
    "persistent_volume_claim": ("", "v1", "PersistentVolumeClaim"),
    "pod": ("", "v1", "Pod"),
    "pod_disruption_budget": ("policy", "v1beta1", "PodDisruptionBudget"),
    "pod_security_policy": ("policy", "v1beta1", "PodSecurityPolicy"),
    "priority_class": ("scheduling.k8s.io", "v1", "PriorityClass"),
    "replication_controller": ("", "v1", "ReplicationController"),
    "resource_quota": ("", "v1", "ResourceQuota"),
    "role": ("rbac.authorization.k8s.io", "v1", "Role"),
    "role_binding": ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    "runtime_class": ("node.k8s.io", "v1", "RuntimeClass"),
    "secret": ("", "v1", "Secret"),
    "service": ("", "v1", "Service"),
    "service_account": ("", "v1", "ServiceAccount"),
    "stateful_set": ("apps", "v1", "StatefulSet"),
    "storage_class": ("storage.k8s.io", "v1", "StorageClass"),
    "validating_webhook_configuration": ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"),
}

CHANGE_ONLY_RESOURCES: Final = frozenset(
    ("annotations", "config_map_v1_data", "env", "labels", "node_taint", "secret_v1_data", "token_request_v1")
)
"""Resources that change an object created elsewhere, or create no lasting object."""

META_ARGUMENTS: Final = frozenset(
    (
        "connection", "count", "depends_on", "dynamic", "for_each", "lifecycle", "provider", "provisioner", "timeouts",
        "id", "auto_approve", "data_wo_revision", "binary_data_wo_revision",
        "data_wo", "binary_data_wo",
    )
)  # fmt: skip
"""Arguments for Terraform or the provider, not for Kubernetes; so are all that begin with `wait_`."""

LISTS: Final[dict[str, str]] = {
    "address": "addresses",
    "allowed_flex_volumes": "allowedFlexVolumes",
    "allowed_host_paths": "allowedHostPaths",
    "allowed_proc_mount_types": "allowedProcMountTypes",
    "allowed_topologies": "allowedTopologies",
    "cluster_role_selectors": "clusterRoleSelectors",
    "container": "containers",
    "egress": "egress",
    "endpoint": "endpoints",
    "env": "env",
    "env_from": "envFrom",
    "from": "from",
    "host_aliases": "hostAliases",
    "host_ports": "hostPorts",
    "http_header": "httpHeaders",
    "image_pull_secret": "imagePullSecrets",
    "image_pull_secrets": "imagePullSecrets",
    "ingress": "ingress",
    "init_container": "initContainers",
    "items": "items",
    "limit": "limits",
    "match_expressions": "matchExpressions",
    "match_fields": "matchFields",
    "match_label_expressions": "matchLabelExpressions",
    "metric": "metrics",
    "node_selector_term": "nodeSelectorTerms",
    "not_ready_address": "notReadyAddresses",
    "on_pod_condition": "onPodConditions",
    "option": "options",
    "path": "paths",
    "policy": "policies",
    "port": "ports",
    "ports": "ports",
    "preferred_during_scheduling_ignored_during_execution": "preferredDuringSchedulingIgnoredDuringExecution",
    "range": "ranges",
    "readiness_gate": "readinessGates",
    "rule": "rules",
    "scheduling_gate": "schedulingGates",
    "secret": "secrets",
    "sources": "sources",
    "subject": "subjects",
    "subset": "subsets",
    "sysctl": "sysctls",
    "tls": "tls",
    "to": "to",
    "toleration": "tolerations",
    "topology_spread_constraint": "topologySpreadConstraints",
    "volume": "volumes",
    "volume_claim_template": "volumeClaimTemplates",
    "volume_device": "volumeDevices",
    "volume_mount": "volumeMounts",
    "webhook": "webhooks",
}
"""Blocks that may be repeated, and the list they form."""

NESTED_LISTS: Final = {
    ("pod_affinity", "required_during_scheduling_ignored_during_execution"): (
        "requiredDuringSchedulingIgnoredDuringExecution"
    ),
    ("pod_anti_affinity", "required_during_scheduling_ignored_during_execution"): (
        "requiredDuringSchedulingIgnoredDuringExecution"
    ),
}
"""Blocks that form a list only inside one parent block, by parent and name."""

NESTED_OBJECTS: Final = frozenset(
    (
        ("ephemeral", "volume_claim_template"),
        ("external", "metric"),
        ("object", "metric"),
        ("pods", "metric"),
        ("service", "port"),
        ("sources", "secret"),
        ("volume", "secret"),
    )
)
"""Blocks of `LISTS` that are one object inside a certain parent block."""

INLINED: Final = frozenset(("persistent_volume_source",))
"""Blocks with fields that belong to the parent."""

NAMES: Final = {
    "cluster_ip": "clusterIP",
    "cluster_ips": "clusterIPs",
    "client_ip": "clientIP",
    "data_disk_uri": "diskURI",
    "dataset_uuid": "datasetUUID",
    "disk_uri": "diskURI",
    "downward_api": "downwardAPI",
    "external_ips": "externalIPs",
    "host_ip": "hostIP",
    "host_ipc": "hostIPC",
    "host_pid": "hostPID",
    "insecure_skip_tls_verify": "insecureSkipTLSVerify",
    "load_balancer_ip": "loadBalancerIP",
    "non_resource_urls": "nonResourceURLs",
    "pd_id": "pdID",
    "pod_cidr": "podCIDR",
    "provider_id": "providerID",
    "run_as_username": "runAsUserName",
    "scale_io": "scaleIO",
    "set_hostname_as_fqdn": "setHostnameAsFQDN",
    "storage_policy_id": "storagePolicyID",
    "target_cpu_utilization_percentage": "targetCPUUtilizationPercentage",
    "target_ww_ns": "targetWWNs",
    "volume_id": "volumeID",
}
"""Fields with a name other than the camel case of Terraform's name."""

NESTED_NAMES: Final = {
    ("rbd", "ceph_monitors"): "monitors",
    ("glusterfs", "endpoints_name"): "endpoints",
    ("rbd", "rados_user"): "user",
    ("rbd", "rbd_image"): "image",
    ("rbd", "rbd_pool"): "pool",
    ("", "storage_provisioner"): "provisioner",
    ("volume", "ceph_fs"): "cephfs",
    ("persistent_volume_source", "ceph_fs"): "cephfs",
}
"""Like `NAMES`, inside a certain parent block; "" is the resource itself."""

BOOLEANS: Final = frozenset(
    (
        "allocate_load_balancer_node_ports", "allow_privilege_escalation", "allow_volume_expansion", "attach_required",
        "automount_service_account_token", "default_allow_privilege_escalation", "enable_service_links",
        "global_default", "host_ipc", "host_network", "host_pid", "host_process", "host_users", "immutable",
        "insecure_skip_tls_verify", "manual_selector", "optional", "paused", "pod_info_on_mount", "privileged",
        "publish_not_ready_addresses", "read_only", "read_only_root_filesystem", "ready", "run_as_non_root",
        "serving", "set_hostname_as_fqdn", "share_process_namespace", "stdin", "stdin_once", "storage_capacity",
        "suspend", "terminating", "tty",
    )
)  # fmt: skip

INTEGERS: Final = frozenset(
    (
        "average_utilization", "backoff_limit", "backoff_limit_per_index", "completions", "container_port", "end_port",
        "failed_jobs_history_limit", "failure_threshold", "fs_group", "group_priority_minimum",
        "health_check_node_port", "host_port", "lun", "max_failed_indexes", "max_replicas", "max_skew", "min_domains",
        "min_replicas", "node_port", "number", "parallelism", "partition", "replicas", "revision_history_limit",
        "run_as_group", "run_as_user", "success_threshold", "successful_jobs_history_limit", "supplemental_groups",
        "target_cpu_utilization_percentage", "ttl_seconds_after_finished", "version_priority", "weight",
    )
)  # fmt: skip
"""Integer fields, in addition to all names that end in `_seconds`."""

NESTED_INTEGERS: Final = frozenset(
    (("", "value"), ("grpc", "port"), ("service", "port"), ("port", "port"), ("on_exit_codes", "values"))
)

NUMBER_OR_NAME: Final = frozenset(
    ("max_surge", "max_unavailable", "min_available", "port", "service_port", "target_port")
)
"""Text that Kubernetes treats as a number if it looks like one (IntOrString)."""

MODES: Final = frozenset(("default_mode", "mode"))
"""Octal text, a number in Kubernetes."""

BYTES: Final = frozenset(("ca_bundle", "request"))
"""Text that the provider encodes in base64, as Kubernetes expects bytes."""

UNCONVERTED: Final = frozenset(("max", "min", "generation"))
"""Fields that are text in one parent and a number in another."""

MAPS: Final = frozenset(
    (
        "annotations", "binary_data", "capacity", "data", "default", "default_request", "hard", "labels", "limits",
        "match_labels", "max", "max_limit_request_ratio", "min", "node_selector", "options", "overhead", "parameters",
        "requests", "selector", "string_data", "volume_attributes",
    )
)  # fmt: skip
"""Attributes that are maps; in JSON they look like blocks."""


def find_kind(resource: str) -> tuple[str, str] | None:
    """Return apiVersion and kind of the object a `kubernetes_...` resource creates; None if it is not in the tables."""
    name = resource.removeprefix(_PREFIX)
    match = _VERSION.search(name)
    entry = _KINDS.get(name[: match.start()] if match else name)
    if entry is None:
        return None
    group, version, kind = entry
    version = f"v{match[1]}" if match else version
    return f"{group}/{version}" if group else version, kind


def is_for_terraform(name: str) -> bool:
    """Return True if an argument or block of a resource is not sent to Kubernetes."""
    return name in META_ARGUMENTS or name.startswith("wait_")


def get_field_name(parent: str, name: str) -> str:
    """Return the Kubernetes name of a field inside the block parent."""
    return NESTED_NAMES.get((parent, name)) or NAMES.get(name) or _to_camel_case(name)


def find_list_field(parent: str, name: str) -> str | None:
    """Return the list that a block inside parent is an entry of; None if it is an object."""
    if (parent, name) in NESTED_OBJECTS:
        return None
    return NESTED_LISTS.get((parent, name)) or LISTS.get(name)


def _to_camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
