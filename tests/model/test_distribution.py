"""Detection of distributions by version, API groups and Nodes as the distributions create them."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.control import Provider
from kubekeep.model.distribution import detect_distribution, detect_provider


def node(machine: str = "", kubelet: str = "", *labels: str, annotations: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "one",
            "labels": dict.fromkeys(labels, "x"),
            "annotations": dict.fromkeys(annotations, "x"),
        },
        "spec": {"providerID": machine} if machine else {},
        "status": {"nodeInfo": {"kubeletVersion": kubelet}},
    }


AWS = "aws:///eu-west-1a/i-0123456789abcdef0"
AZURE = "azure:///subscriptions/1/resourceGroups/mc_shop/providers/Microsoft.Compute/virtualMachines/vm"
GOOGLE = "gce://shop-prod/europe-west1-b/gke-shop-default-pool-1a2b-c3d4"
KUBEADM = "kubeadm.alpha.kubernetes.io/cri-socket"
CLUSTER_API = "cluster.x-k8s.io/machine"


@pytest.mark.parametrize(
    ("node_object", "expected"),
    [
        (node(AWS), "eks"),
        (node(AZURE), "aks"),
        (node(GOOGLE), "gke"),
        (node("", "", "eks.amazonaws.com/nodegroup"), "eks"),
        (node("", "", "kubernetes.azure.com/agentpool"), "aks"),
        (node("", "", "cloud.google.com/gke-nodepool"), "gke"),
        (node("", "v1.33.1-eks-b9364f6"), "eks"),
        (node("", "v1.33.2-gke.1240000"), "gke"),
        (node("eks-hybrid:///eu-west-1/shop/one", "v1.33.1-eks-b9364f6"), "eks"),
        (node(AWS, "v1.33.1"), "eks"),
        (node(AWS, "v1.33.1+k3s1"), None),
        (node(AZURE, "v1.33.1+rke2r1"), None),
        (node(AWS, "v1.31.6", "node.openshift.io/os_id"), None),
        (node(AZURE, "v1.31.6", "node.openshift.io/os_id"), None),
        (node(AWS, "v1.33.1", "kops.k8s.io/instancegroup"), None),
        (node(AWS, "v1.33.1", annotations=(KUBEADM,)), None),
        (node(AZURE, "v1.33.1", annotations=(KUBEADM,)), None),
        (node(GOOGLE, "v1.33.1", annotations=(KUBEADM,)), None),
        (node(AZURE, "v1.33.1", "kubernetes.azure.com/resource-group", annotations=(KUBEADM,)), None),
        (node(AWS, "v1.33.1-eks-b9364f6", annotations=(KUBEADM,)), None),
        (node(AWS, "v1.36.0", annotations=(CLUSTER_API,)), None),
        (node(AZURE, "v1.36.0", annotations=(CLUSTER_API,)), None),
        (node(AWS, "v1.36.0-eks-b9364f6", annotations=(CLUSTER_API,)), "eks"),
        (node(AZURE, "v1.36.0", "kubernetes.azure.com/agentpool", annotations=(CLUSTER_API,)), "aks"),
        (node(AWS, "v1.36.0", "node-role.kubernetes.io/control-plane"), None),
        (node(AWS, "v1.33.1+k0s"), None),
        (node(AZURE, "v1.36.0"), None),
        (node(GOOGLE, "v1.36.0"), None),
        (node("kind://docker/kind/kind-worker", "v1.33.1"), None),
        ({}, None),
        ({"metadata": "x", "spec": ["y"], "status": {"nodeInfo": "z"}}, None),
        ({"metadata": {"labels": ["eks.amazonaws.com/nodegroup"]}, "spec": {"providerID": 7}}, None),
    ],
)
def test_provider_of_a_node(node_object: dict[str, Any], expected: Provider | None) -> None:
    assert detect_provider(node_object) == expected


JOINED = node("", "v1.33.1", annotations=(KUBEADM,))


@pytest.mark.parametrize(
    ("version", "groups", "nodes", "expected"),
    [
        ("v1.33.1-eks-b9364f6", (), (), "eks"),
        ("v1.33.2-gke.1240000", (), (), "gke"),
        ("v1.34.1+k3s1", (), (node(AWS, "v1.34.1+k3s1"),), "k3s"),
        ("v1.34.1+rke2r1", (), (), "rke2"),
        ("v1.34.1-rc.1+rke2r1", (), (), "rke2"),
        ("v1.31.6", ("apps", "config.openshift.io", "route.openshift.io"), (node(AWS),), "openshift"),
        ("v1.31.6", ("security.openshift.io",), (), "openshift"),
        ("v1.33.1", ("route.openshift.io",), (), ""),
        ("v1.33.1", (), (node(AZURE),), "aks"),
        ("v1.33.1", (), (JOINED,), "kubeadm"),
        ("v1.33.1", (), (node(AWS, "v1.33.1", annotations=(KUBEADM,)),), "kubeadm"),
        ("v1.33.1", (), (), ""),
        ("", (), ({},), ""),
    ],
)
def test_distributions(version: str, groups: tuple[str, ...], nodes: tuple[dict[str, Any], ...], expected: str) -> None:
    assert detect_distribution(version, groups, nodes) == expected
