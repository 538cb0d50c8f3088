"""Connections of the product for tests: to a front of faults, in a hurry. Decides nothing about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubekeep.kube.access import ClusterAccess, ClusterLogin, ClusterRequest, RetryPolicy
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import ApiResource, Catalogue
from tests.cluster.cluster import Cluster

HURRIED = RetryPolicy(first_wait=0.01, longest_wait=0.05, connect=10, silence=5, answer=20)


def request(server: str, login: ClusterLogin | None = None, patience: RetryPolicy = HURRIED) -> ClusterRequest:
    """The request for a cluster at `server`, by default as whoever is taken there without credentials."""
    return ClusterRequest(
        access=ClusterAccess(name="test", server=server, login=login or ClusterLogin()), retry_policy=patience
    )


def connection(server: str, login: ClusterLogin | None = None, patience: RetryPolicy = HURRIED) -> KubeConnection:
    """A connection to `server`."""
    return KubeConnection(request(server, login, patience))


def served(catalogue: Catalogue, group: str, kind: str) -> ApiResource:
    """How a kind is served that is there."""
    found = catalogue.find(group, kind)
    assert found is not None
    return found


CONFIG_MAPS = ApiResource(
    group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True, verbs=frozenset({"list"})
)


def config_maps(cluster: Cluster, namespace: str, names: Iterable[str]) -> set[str]:
    """Make ConfigMaps; gives the uids of all that are in the namespace."""
    items: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}} for name in names
    ]
    cluster.apply(items)
    return uids(cluster, namespace)


def uids(cluster: Cluster, namespace: str, collection: str = "configmaps") -> set[str]:
    """The uids that the API server itself lists."""
    found = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/{collection}")["items"]
    return {item["metadata"]["uid"] for item in found}
