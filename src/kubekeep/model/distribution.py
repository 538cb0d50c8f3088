"""Kubernetes distribution of a cluster, detected from its version, its API groups and its Nodes. Queries nothing.

Managed platforms are detected by the labels they put on Nodes, or by the cloud of a Node's machine. Other distributions
on machines of a cloud are recognised by their own labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubekeep.model.control import Provider
from kubekeep.model.json_values import as_mapping

DISTRIBUTION_NAMES: Final[Mapping[str, str]] = {
    "aks": "AKS",
    "eks": "EKS",
    "gke": "GKE",
    "k3s": "K3s",
    "kubeadm": "kubeadm",
    "openshift": "OpenShift",
    "rke2": "RKE2",
}
"""Display names of the distributions that `detect_distribution` knows."""

OPENSHIFT_CONFIG_GROUP: Final = "config.openshift.io"
"""The API group with the configuration of an OpenShift cluster."""
_OPENSHIFT_GROUPS: Final = frozenset({OPENSHIFT_CONFIG_GROUP, "security.openshift.io"})
"""API groups that only OpenShift has; MicroShift, its edition for small devices, has only the second."""

_PROVIDER_ID_SCHEMES: Final[Mapping[str, Provider]] = {"aws": "eks", "azure": "aks", "gce": "gke"}
"""Managed platforms by the scheme that each cloud uses in `spec.providerID`."""
_LABEL_PREFIXES: Final[Mapping[str, Provider]] = {
    "eks.amazonaws.com/": "eks",
    "kubernetes.azure.com/": "aks",
    "cloud.google.com/gke-": "gke",
}
"""Managed platforms by the prefix of the labels they put on Nodes."""
_OTHER_DISTRIBUTIONS: Final = (
    *("kops.k8s.io/", "node.openshift.io/", "rke.cattle.io/"),
    *("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"),
)
"""Prefixes of the labels that other distributions put on Nodes in any cloud. The labels of control-plane Nodes are
included, because managed platforms have no such Nodes."""
_CLUSTER_API: Final = "cluster.x-k8s.io/"
"""Prefix of the annotations of Cluster API (its book, labels and annotations). Cluster API also creates Nodes of
managed platforms, which have labels of the platform."""
_PLAIN_VERSION: Final = r"(?:v?\d+\.\d+\.\d+)?"
"""A version without a distribution's suffix, or an empty text."""
_VERSIONS: Final = r"^v?\d+\.\d+\.\d+\S*?(?:(-eks-)|(-gke\.)|(\+k3s)|(\+rke2))"
_VERSION_DISTRIBUTIONS: Final = ("eks", "gke", "k3s", "rke2")
_KUBEADM: Final = "kubeadm.alpha.kubernetes.io/cri-socket"
"""The annotation that kubeadm up to 1.33 puts on Nodes that join (kubeadm's constants, AnnotationKubeadmCRISocket). No
managed platform joins its Nodes that way."""


def detect_provider(node: Mapping[str, Any]) -> Provider | None:
    """Return the managed platform of a Node, or None if unknown."""
    if _KUBEADM in _list_metadata_keys(node, "annotations"):
        return None
    labels = _list_metadata_keys(node, "labels")
    for prefix, provider in _LABEL_PREFIXES.items():
        if any(label.startswith(prefix) for label in labels):
            return provider
    version = str(as_mapping(as_mapping(node.get("status")).get("nodeInfo")).get("kubeletVersion") or "")
    distribution = _parse_distribution(version)
    if distribution in ("eks", "gke"):
        return "eks" if distribution == "eks" else "gke"
    cloud = _PROVIDER_ID_SCHEMES.get(get_provider_id(node).partition(":")[0])
    # Third-party images for EKS have kubelets without a version suffix; all Nodes of AKS and GKE have labels.
    if _is_other_distribution(node, version) or (version and cloud != "eks"):
        return None
    return cloud


def _is_other_distribution(node: Mapping[str, Any], version: str) -> bool:
    """Return True if a Node, with a kubelet of `version`, belongs to another distribution."""
    return (
        re.fullmatch(_PLAIN_VERSION, version) is None
        or any(label.startswith(_OTHER_DISTRIBUTIONS) for label in _list_metadata_keys(node, "labels"))
        or any(annotation.startswith(_CLUSTER_API) for annotation in _list_metadata_keys(node, "annotations"))
    )


def get_provider_id(node: Mapping[str, Any]) -> str:
    """Return `spec.providerID` of a Node, such as `aws:///eu-west-1a/i-0abc`; empty if it is not set."""
    return str(as_mapping(node.get("spec")).get("providerID") or "")


def detect_distribution(version: str, groups: Iterable[str], nodes: Iterable[Mapping[str, Any]]) -> str:
    """Return `eks`, `aks`, `gke`, `openshift`, `k3s`, `rke2` or `kubeadm`; empty if unknown.

    `version` is the version of the API server (`v1.34.1+k3s1`), `groups` are the API groups it serves.
    """
    if not _OPENSHIFT_GROUPS.isdisjoint(groups):
        return "openshift"
    if distribution := _parse_distribution(version):
        return distribution
    for node in nodes:
        if _KUBEADM in _list_metadata_keys(node, "annotations"):
            return "kubeadm"
        if platform := detect_provider(node):
            return platform
    return ""


def _parse_distribution(version: str) -> str:
    match = re.match(_VERSIONS, version)
    return _VERSION_DISTRIBUTIONS[match.lastindex - 1] if match and match.lastindex else ""


def _list_metadata_keys(node: Mapping[str, Any], field: str) -> list[str]:
    return [str(name) for name in as_mapping(as_mapping(node.get("metadata")).get(field))]
