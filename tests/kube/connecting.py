"""Connections of the product for tests: to a front of faults, in a hurry. Decides nothing about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubekeep.kube.access import Access, ClusterRequest, Login, Patience
from kubekeep.kube.connection import Connection
from kubekeep.kube.discovery import Catalogue, Served
from tests.cluster.cluster import Cluster

HURRIED = Patience(first_wait=0.01, longest_wait=0.05, connect=10, silence=5, answer=20)


def request(server: str, login: Login | None = None, patience: Patience = HURRIED) -> ClusterRequest:
    """The request for a cluster at `server`, by default as whoever is taken there without credentials."""
    return ClusterRequest(access=Access(name="test", server=server, login=login or Login()), patience=patience)


def connection(server: str, login: Login | None = None, patience: Patience = HURRIED) -> Connection:
    """A connection to `server`."""
    return Connection(request(server, login, patience))


def served(catalogue: Catalogue, group: str, kind: str) -> Served:
    """How a kind is served that is there."""
    found = catalogue.of(group, kind)
    assert found is not None
    return found


CONFIG_MAPS = Served(
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
