"""Joins: Services indexed by one label, grants by account name or group, in linear size."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.control import SUBJECT, WORKLOAD
from kubekeep.model.resource import Resource
from kubekeep.posture.index import Index

RBAC = "rbac.authorization.k8s.io/v1"


def build_index(*objects: dict[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    index = Index(kinds, join_subjects=False)
    for content in objects:
        index.add(Resource(content))
    return index.build()


def service(name: str, **selector: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": selector}}


def deployment(name: str, **labels: str) -> dict[str, Any]:
    containers = [{"name": "web", "image": "web", "ports": [{"name": "http", "containerPort": 8080}]}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}


def list_granted(*subjects: dict[str, str], namespace: str = "shop") -> dict[str, Any]:
    role = {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": []}
    binding = {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": "readers", "namespace": namespace},
        "roleRef": {"kind": "ClusterRole", "name": "reader"},
        "subjects": list(subjects),
    }
    grants: dict[str, Any] = build_index(role, binding, kinds=(SUBJECT,))["grants"]
    return grants


def test_workloads_are_indexed_by_label_and_name() -> None:
    pods = build_index(deployment("a", app="a", tier="web"), deployment("b", app="b", tier="web"), kinds=(WORKLOAD,))[
        "pods"
    ]
    assert pods["shop"]["by_label"] == {"app=a": [0], "app=b": [1], "tier=web": [0, 1]}
    assert pods["shop"]["named"] == {"Deployment/a": True, "Deployment/b": True}
    assert pods["shop"]["all"][0].ports == ["http", 8080]


def test_services_are_indexed_by_rarest_label() -> None:
    services = [service(name, app=name, tier="web") for name in ("a", "b", "c")]
    selecting = build_index(*services, service("headless"), kinds=("Service",))["selecting"]
    assert selecting == {"shop": {"app=a": [services[0]], "app=b": [services[1]], "app=c": [services[2]]}}


def test_services_for_one_pod_are_indexed_by_its_statefulset() -> None:
    services = [service("one", **{"statefulset.kubernetes.io/pod-name": "db-1"})]
    selecting = build_index(*services, kinds=("Service",))["selecting"]
    label = "statefulset.kubernetes.io/pod-name"
    assert selecting == {"shop": {f"{label}=db-1": services, f"{label}=db": services}}


@pytest.mark.parametrize(
    ("subject", "where"),
    [
        ({"kind": "ServiceAccount", "name": "runner", "namespace": "jobs"}, ("accounts", "jobs", "runner")),
        ({"kind": "ServiceAccount", "name": "runner"}, ("accounts", "shop", "runner")),
        ({"kind": "User", "name": "system:serviceaccount:jobs:runner"}, ("accounts", "jobs", "runner")),
        ({"kind": "Group", "name": "system:serviceaccounts:jobs"}, ("namespaces", "jobs")),
        ({"kind": "Group", "name": "system:serviceaccounts"}, ("all",)),
        ({"kind": "Group", "name": "system:authenticated"}, ("all",)),
    ],
)
def test_grants_are_indexed_by_subject(subject: dict[str, str], where: tuple[str, ...]) -> None:
    grants: Any = list_granted(subject)
    for step in where:
        grants = grants[step]
    (grant,) = grants
    assert (grant["binding"]["metadata"]["name"], grant["role"]["metadata"]["name"]) == ("readers", "reader")


@pytest.mark.parametrize("subject", [{"kind": "User", "name": "ann"}, {"kind": "Group", "name": "admins"}])
def test_users_and_groups_are_not_service_accounts(subject: dict[str, str]) -> None:
    grants = list_granted(subject)
    assert not any(grants[field] for field in ("accounts", "all", "bound", "namespaces"))


def test_roles_are_bound_through_those_they_are_aggregated_into() -> None:
    """Also in a cluster, where an API server has filled in the rules of the aggregated roles."""
    stored: dict[str, Any] = {"uid": "1", "labels": {"part": "a"}}
    selector = {"clusterRoleSelectors": [{"matchLabels": {"part": "b"}}]}
    roles: list[dict[str, Any]] = [
        {
            "metadata": {"name": "whole", "uid": "1"},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "a"}}]},
        },
        {"metadata": {"name": "middle", **stored}, "aggregationRule": selector},
        {"metadata": {"name": "part", "uid": "1", "labels": {"part": "b"}}},
        {"metadata": {"name": "other", "uid": "1"}},
    ]
    binding = {
        "apiVersion": RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "whole"},
        "roleRef": {"kind": "ClusterRole", "name": "whole"},
    }
    objects = [{"apiVersion": RBAC, "kind": "ClusterRole", "rules": [], **role} for role in roles]
    bound = build_index(*objects, binding, kinds=(SUBJECT,))["grants"]["roles"]
    assert bound == {"default": {"ClusterRole/whole": True, "ClusterRole/middle": True, "ClusterRole/part": True}}


def test_secrets_are_kept_without_values() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}, "type": "Opaque"}
    kept = build_index(secret, kinds=("Secret",))["named"]["Secret"]["default"]["s"]
    assert kept == [{key: value for key, value in secret.items() if key != "data"}]
