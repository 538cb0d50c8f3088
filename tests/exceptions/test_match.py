"""Namespaced and cluster-wide custom resources matched with grants of service accounts."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.exceptions.custom_resources import parse_security_exception
from kubekeep.exceptions.match import ResourceMatcher
from kubekeep.model.resource import Resource

RBAC = "rbac.authorization.k8s.io"
ROBOT = {"kind": "ServiceAccount", "name": "robot"}
BINDINGS = {"shop": "RoleBinding", "bank": "RoleBinding", "": "ClusterRoleBinding"}


def made(kind: str, name: str, namespace: str) -> Resource:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return Resource({"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata})


def granted(where: str) -> Resource:
    """Return the service account `robot` of namespace `shop` with its binding in namespace `where`."""
    related = (made(BINDINGS[where], "robots", where), made("ClusterRole", "all", ""))
    objects = [document.object for document in related]
    return Resource(ROBOT | {"namespace": "shop", "relatedObjects": objects}, related=related)


def covered(kind: str, match: dict[str, Any], **metadata: str) -> set[str]:
    """Return the namespaces of the bindings where a grant of `robot` is covered."""
    spec = {"posture": [{"controlID": "C-0035", "action": "ignore"}], "match": match}
    resource = {"apiVersion": "kubescape.io/v1beta1", "kind": kind, "metadata": {"name": "e", **metadata}, "spec": spec}
    policy_exception = parse_security_exception(resource, None)
    assert policy_exception is not None
    index = ResourceMatcher({0: policy_exception}, {}, "/srv")
    return {where for where in BINDINGS if index.find_matching(granted(where))}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([], {"shop"}),
        ([ROBOT], {"shop"}),
        ([{"kind": "RoleBinding", "name": "robots"}], {"shop"}),
        ([{"kind": "ClusterRoleBinding", "name": "robots"}], set()),
        ([{"kind": "ClusterRole", "name": "all"}], set()),
    ],
)
def test_namespaced_exception_does_not_cover_grants_elsewhere(
    resources: list[dict[str, str]], expected: set[str]
) -> None:
    assert covered("SecurityException", {"resources": resources}, namespace="shop") == expected


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"resources": [ROBOT]}, {*BINDINGS}),
        ({"resources": [{"kind": "ClusterRoleBinding", "name": "robots"}]}, {""}),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bank"}}}, {"bank"}),
    ],
)
def test_cluster_exception_covers_subjects_everywhere(match: dict[str, Any], expected: set[str]) -> None:
    assert covered("ClusterSecurityException", match) == expected
