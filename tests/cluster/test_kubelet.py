"""A kubelet stand-in is reached like a real one: through the API server, over TLS, with permission."""

from __future__ import annotations

import ssl

import pytest

from tests.cluster.client import Client, Refused
from tests.cluster.cluster import Cluster
from tests.cluster.kubelet import kubelet

CONFIGURATION = {"kubeletconfig": {"authentication": {"anonymous": {"enabled": False}}, "readOnlyPort": 0}}


def test_documents_are_reached_through_the_api_server(cluster: Cluster) -> None:
    with kubelet(cluster, {"configz": CONFIGURATION}) as node:
        name, port = node["metadata"]["name"], node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        assert node["status"]["conditions"][0]["type"] == "Ready"
        assert cluster.admin("GET", f"/api/v1/nodes/{name}/proxy/configz") == CONFIGURATION
        assert cluster.admin("GET", f"/api/v1/nodes/{name}:{port}/proxy/configz") == CONFIGURATION
        with pytest.raises(Refused) as refused:
            cluster.admin("GET", f"/api/v1/nodes/{name}/proxy/pods")
        assert refused.value.code == 404
    with pytest.raises(Refused, match="not found"):
        cluster.admin("GET", f"/api/v1/nodes/{name}")


def test_kubelet_access_needs_permission(cluster: Cluster) -> None:
    with kubelet(cluster, {"configz": CONFIGURATION}) as node:
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/configz"
        with pytest.raises(Refused, match=r'cannot get resource "nodes/proxy"'):
            cluster.client("viewer")("GET", path)


def test_kubelet_accepts_only_the_api_server(cluster: Cluster) -> None:
    authority = cluster.layout.kubelets.pair.certificate
    with kubelet(cluster, {"configz": CONFIGURATION}) as node:
        address = f"https://{node['status']['addresses'][0]['address']}"
        address += f":{node['status']['daemonEndpoints']['kubeletEndpoint']['Port']}"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Client(address, authority).text("GET", "/configz")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Client(address, authority, cluster.layout.pair("admin")).text("GET", "/configz")
