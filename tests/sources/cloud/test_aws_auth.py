"""Node roles in the ConfigMap `aws-auth`: text forms, and reading from a real API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.sources.cloud.eks import parse_node_roles, read_mapped_node_roles
from tests.cluster.cluster import Cluster

ROLE = "arn:aws:iam::123456789012:role"


def role(name: str, *groups: str) -> dict[str, Any]:
    return {"rolearn": f"{ROLE}/{name}", "username": "system:node:{{EC2PrivateDNSName}}", "groups": list(groups)}


NODES = yaml.safe_dump([role("nodes", "system:bootstrappers", "system:nodes")])


BOMB = "".join(f"- &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(1, 40)).join(
    ("- &a1 [x]\n", "- {rolearn: *a40, groups: [*a40]}\n")
)
"""Forty lists, each with nine times the elements of the previous one."""


def aws_auth(text: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "aws-auth", "namespace": "kube-system"},
        "data": {"mapRoles": text, "mapUsers": "[]"},
    }


def read_roles(kubeconfig: Path) -> tuple[str, ...] | None:
    with KubeConnection(ClusterRequest(access=Kubeconfig((str(kubeconfig),)).get_access())) as connection:
        return read_mapped_node_roles(connection)


def test_roles_from_cluster(own_cluster: Cluster) -> None:
    assert read_roles(own_cluster.kubeconfig) == (), "there is no such ConfigMap"
    own_cluster.apply([aws_auth(NODES)])
    assert read_roles(own_cluster.kubeconfig) == (f"{ROLE}/nodes",)
    assert read_roles(own_cluster.user("no-config-maps", [])) is None
    own_cluster.apply([aws_auth("rolearn: x")])
    assert read_roles(own_cluster.kubeconfig) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NODES, [f"{ROLE}/nodes"]),
        (
            yaml.safe_dump([role("admin", "system:masters"), role("fargate", "system:node-proxier")]),
            [f"{ROLE}/fargate"],
        ),
        (yaml.safe_dump([role("../../user/x y", "system:nodes"), "text", {"rolearn": 7, "groups": 7}]), []),
        (BOMB, []),
        ("", []),
        ("[]", []),
    ],
)
def test_node_roles(text: str, expected: list[str]) -> None:
    assert list(parse_node_roles(text)) == expected


@pytest.mark.parametrize("text", ["rolearn: x", "- [", "[" * 5000, "x" * (2 << 20)])
def test_invalid_mapping(text: str) -> None:
    with pytest.raises((yaml.YAMLError, ValueError, RecursionError)):
        list(parse_node_roles(text))
