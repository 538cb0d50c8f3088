"""What exceptions that a cluster holds mean of what is granted to service accounts."""

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
    """The service account `robot` of the namespace `shop`, as it is bound `where`."""
    related = (made(BINDINGS[where], "robots", where), made("ClusterRole", "all", ""))
    objects = [item.object for item in related]
    return Resource(ROBOT | {"namespace": "shop", "relatedObjects": objects}, related=related)


def covered(kind: str, match: dict[str, Any], **metadata: str) -> set[str]:
    """Where what is granted to `robot` is covered by an exception."""
    spec = {"posture": [{"controlID": "C-0035", "action": "ignore"}], "match": match}
    item = {"apiVersion": "kubescape.io/v1beta1", "kind": kind, "metadata": {"name": "e", **metadata}, "spec": spec}
    policy_exception = parse_security_exception(item, None)
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
def test_one_of_a_namespace_means_nothing_that_is_granted_elsewhere(
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
def test_one_of_the_cluster_means_subjects_wherever_they_are_bound(match: dict[str, Any], expected: set[str]) -> None:
    assert covered("ClusterSecurityException", match) == expected
