"""Whose Kubernetes a cluster runs, by its version, what it serves, and its Nodes. Asks nobody; an unknown one is none.

Managed platforms are told by the labels that they put on Nodes, or else by the cloud that a Node's machine is in:
whoever runs another distribution on machines of a cloud leaves marks of that one.
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
"""What people call each distribution that `distribution_of` knows."""

OPENSHIFT: Final = "config.openshift.io"
"""The API group in which OpenShift tells of itself."""
_OPENSHIFT: Final = frozenset({OPENSHIFT, "security.openshift.io"})
"""The API groups that only OpenShift has; its small form, MicroShift, has the second alone."""

_MACHINES: Final[Mapping[str, Provider]] = {"aws": "eks", "azure": "aks", "gce": "gke"}
"""What each cloud calls itself in `spec.providerID`."""
_LABELS: Final[Mapping[str, Provider]] = {
    "eks.amazonaws.com/": "eks",
    "kubernetes.azure.com/": "aks",
    "cloud.google.com/gke-": "gke",
}
"""What the labels begin with that a platform puts on its Nodes."""
_ELSEWHERE: Final = (
    *("kops.k8s.io/", "node.openshift.io/", "rke.cattle.io/"),
    *("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"),
)
"""What the labels begin with that other distributions put on machines of whichever cloud; managed platforms show no
Nodes of their control plane."""
_CLUSTER_API: Final = "cluster.x-k8s.io/"
"""What the annotations of Cluster API begin with (its book, labels and annotations), which makes Nodes of managed
platforms too: those tell of themselves."""
_PLAIN: Final = re.compile(r"(?:v?\d+\.\d+\.\d+)?")
"""A version that no distribution has marked, or none."""
_VERSIONS: Final = re.compile(r"^v?\d+\.\d+\.\d+\S*?(?:(-eks-)|(-gke\.)|(\+k3s)|(\+rke2))")
_NAMES: Final = ("eks", "gke", "k3s", "rke2")
_KUBEADM: Final = "kubeadm.alpha.kubernetes.io/cri-socket"
"""The annotation that kubeadm puts on Nodes that it lets join, up to 1.33 (kubeadm's constants,
AnnotationKubeadmCRISocket). No managed platform has its Nodes join that way."""


def detect_provider(node: Mapping[str, Any]) -> Provider | None:
    """The managed platform that a Node is of; None where it tells of none."""
    if _KUBEADM in _names(node, "annotations"):
        return None
    labels = _names(node, "labels")
    for beginning, provider in _LABELS.items():
        if any(label.startswith(beginning) for label in labels):
            return provider
    version = str(as_mapping(as_mapping(node.get("status")).get("nodeInfo")).get("kubeletVersion") or "")
    told = _of_version(version)
    if told in ("eks", "gke"):
        return "eks" if told == "eks" else "gke"
    cloud = _MACHINES.get(get_provider_id(node).partition(":")[0])
    # Images of others for EKS have kubelets without a mark; whole Nodes of AKS and GKE have labels.
    if _is_elsewhere(node, version) or (version and cloud != "eks"):
        return None
    return cloud


def _is_elsewhere(node: Mapping[str, Any], version: str) -> bool:
    """Whether a Node shows that another distribution runs it, with a kubelet of `version`."""
    return (
        _PLAIN.fullmatch(version) is None
        or any(label.startswith(_ELSEWHERE) for label in _names(node, "labels"))
        or any(annotation.startswith(_CLUSTER_API) for annotation in _names(node, "annotations"))
    )


def get_provider_id(node: Mapping[str, Any]) -> str:
    """What the cloud calls the machine of a Node, such as `aws:///eu-west-1a/i-0abc`; empty where it tells nothing."""
    return str(as_mapping(node.get("spec")).get("providerID") or "")


def detect_distribution(version: str, groups: Iterable[str], nodes: Iterable[Mapping[str, Any]]) -> str:
    """`eks`, `aks`, `gke`, `openshift`, `k3s`, `rke2` or `kubeadm`; empty for one that is not known.

    `version` is what the API server calls its own (`v1.34.1+k3s1`), `groups` are the API groups that it serves.
    """
    if not _OPENSHIFT.isdisjoint(groups):
        return "openshift"
    if told := _of_version(version):
        return told
    for node in nodes:
        if _KUBEADM in _names(node, "annotations"):
            return "kubeadm"
        if platform := detect_provider(node):
            return platform
    return ""


def _of_version(version: str) -> str:
    match = _VERSIONS.match(version)
    return _NAMES[match.lastindex - 1] if match and match.lastindex else ""


def _names(node: Mapping[str, Any], field: str) -> list[str]:
    return [str(name) for name in as_mapping(as_mapping(node.get("metadata")).get(field))]
