"""Connections for tests, with short timeouts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubekeep.kube.access import ClusterAccess, ClusterLogin, ClusterRequest, RetryPolicy
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import ApiResource, Catalogue
from tests.cluster.cluster import Cluster

HURRIED = RetryPolicy(first_wait=0.01, max_wait=0.05, connect_timeout=10, read_timeout=5, total_timeout=20)


def request(server: str, login: ClusterLogin | None = None, retry_policy: RetryPolicy = HURRIED) -> ClusterRequest:
    """Return a request for the cluster at `server`, by default without credentials."""
    return ClusterRequest(
        access=ClusterAccess(name="test", server=server, login=login or ClusterLogin()), retry_policy=retry_policy
    )


def connection(server: str, login: ClusterLogin | None = None, retry_policy: RetryPolicy = HURRIED) -> KubeConnection:
    """Return a connection to `server`."""
    return KubeConnection(request(server, login, retry_policy))


def find_api_resource(catalogue: Catalogue, group: str, kind: str) -> ApiResource:
    """Return the API resource of a kind, which must be served."""
    resource = catalogue.find(group, kind)
    assert resource is not None
    return resource


CONFIG_MAPS = ApiResource(
    group="", version="v1", kind="ConfigMap", plural="configmaps", is_namespaced=True, verbs=frozenset({"list"})
)


def config_maps(cluster: Cluster, namespace: str, names: Iterable[str]) -> set[str]:
    """Create ConfigMaps; return the UIDs of all ConfigMaps in the namespace."""
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}} for name in names
    ]
    cluster.apply(objects)
    return list_uids(cluster, namespace)


def list_uids(cluster: Cluster, namespace: str, collection: str = "configmaps") -> set[str]:
    """Return the UIDs listed by the API server itself."""
    objects = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/{collection}")["items"]
    return {entry["metadata"]["uid"] for entry in objects}
