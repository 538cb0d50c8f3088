"""Plural names and scopes (namespaced or cluster-wide) of the kinds of Kubernetes. Never queries a cluster.

Names of custom kinds come from their CustomResourceDefinitions, or are guessed as Kubernetes' own clients do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.resource import Resource

_NAMESPACED: Final[Mapping[str, str]] = {
    "": "ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota "
    "Secret Service ServiceAccount",
    "apps": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "extensions": "DaemonSet Deployment Ingress NetworkPolicy ReplicaSet",
    "autoscaling": "HorizontalPodAutoscaler",
    "batch": "CronJob Job",
    "coordination.k8s.io": "Lease LeaseCandidate",
    "discovery.k8s.io": "EndpointSlice",
    "events.k8s.io": "Event",
    "networking.k8s.io": "Ingress NetworkPolicy",
    "policy": "PodDisruptionBudget",
    "rbac.authorization.k8s.io": "Role RoleBinding",
    "resource.k8s.io": "ResourceClaim ResourceClaimTemplate",
    "storage.k8s.io": "CSIStorageCapacity",
}
_CLUSTER: Final[Mapping[str, str]] = {
    "": "ComponentStatus Namespace Node PersistentVolume",
    "admissionregistration.k8s.io": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration "
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io": "IngressClass IPAddress ServiceCIDR",
    "node.k8s.io": "RuntimeClass",
    "policy": "PodSecurityPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "resource.k8s.io": "DeviceClass ResourceSlice",
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
}
_IRREGULAR_PLURALS: Final = {"Endpoints": "endpoints", "NetworkPolicy": "networkpolicies"}
SHORT_NAMES: Final[Mapping[str, str]] = {
    "cj": "CronJob",
    "cm": "ConfigMap",
    "crd": "CustomResourceDefinition",
    "crds": "CustomResourceDefinition",
    "cs": "ComponentStatus",
    "csr": "CertificateSigningRequest",
    "deploy": "Deployment",
    "ds": "DaemonSet",
    "ep": "Endpoints",
    "ev": "Event",
    "hpa": "HorizontalPodAutoscaler",
    "ing": "Ingress",
    "ip": "IPAddress",
    "limits": "LimitRange",
    "netpol": "NetworkPolicy",
    "no": "Node",
    "ns": "Namespace",
    "pc": "PriorityClass",
    "pdb": "PodDisruptionBudget",
    "po": "Pod",
    "pv": "PersistentVolume",
    "pvc": "PersistentVolumeClaim",
    "quota": "ResourceQuota",
    "rc": "ReplicationController",
    "rs": "ReplicaSet",
    "sa": "ServiceAccount",
    "sc": "StorageClass",
    "sts": "StatefulSet",
    "svc": "Service",
    "vac": "VolumeAttributesClass",
}
"""Kinds by the short names that kubectl accepts."""
_CURRENT_GROUPS: Final = {
    ("extensions", "daemonsets"): "apps",
    ("extensions", "deployments"): "apps",
    ("extensions", "replicasets"): "apps",
    ("extensions", "ingresses"): "networking.k8s.io",
    ("extensions", "networkpolicies"): "networking.k8s.io",
    ("events.k8s.io", "events"): "",
}


class ResourceType(msgspec.Struct, frozen=True):
    """API group, plural name and scope of a kind."""

    group: str
    plural: str
    is_namespaced: bool

    @property
    def equivalents(self) -> tuple[tuple[str, str], ...]:
        """(group, plural) of every group that serves the same resource, this one first."""
        current = (self.group, self.plural)
        legacy = [
            (group, plural)
            for (group, plural), target in _CURRENT_GROUPS.items()
            if target == self.group and plural == self.plural
        ]
        successor = [(_CURRENT_GROUPS[current], self.plural)] if current in _CURRENT_GROUPS else []
        return (current, *successor, *legacy)


def guess_plural(kind: str) -> str:
    """Guess the plural of a kind with the rule of Kubernetes' clients."""
    word = kind.lower()
    if kind in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[kind]
    if word.endswith("s"):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _list_builtin_types() -> dict[tuple[str, str], ResourceType]:
    return {
        (group, kind): ResourceType(group, guess_plural(kind), namespaced)
        for table, namespaced in ((_NAMESPACED, True), (_CLUSTER, False))
        for group, kinds in table.items()
        for kind in kinds.split()
    }


BUILTIN_TYPES: Final = _list_builtin_types()


class ResourceTypes:
    """Resource types by kind: built-in ones and those defined by CustomResourceDefinitions among the resources."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._types = dict(BUILTIN_TYPES)
        for resource in resources:
            if resource.kind == "CustomResourceDefinition" and resource.group == "apiextensions.k8s.io":
                self._define(resource.object.get("spec"))

    def _define(self, spec: Any) -> None:
        match spec:
            case {"group": str(group), "names": {"kind": str(kind), "plural": str(plural)}, "scope": str(scope)}:
                self._types.setdefault((group, kind), ResourceType(group, plural, scope == "Namespaced"))
            case _:
                pass

    def is_namespaced(self, resource: Resource) -> bool:
        """Return True if the kind is known to be namespaced, or its object has a namespace."""
        return self.get_type(resource).is_namespaced

    def get_type(self, resource: Resource) -> ResourceType:
        """Return the resource type of `resource`; an undefined kind is namespaced if the object has a namespace."""
        resource_type = self._types.get((resource.group, resource.kind))
        return resource_type or ResourceType(resource.group, guess_plural(resource.kind), bool(resource.namespace))
