"""Proxy selection follows kubectl, and connections work through real proxies."""

from __future__ import annotations

import os
import urllib.parse
from typing import Any

import msgspec
import pytest

from kubekeep.kube.access import Certificate, ClusterAccess, ClusterLogin, ClusterRequest
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import get_server_version
from kubekeep.kube.errors import ConnectionLostError, KubeconfigError, KubeError
from kubekeep.kube.transport import select_proxy
from tests.cluster.builds import KUBERNETES
from tests.cluster.cluster import Cluster
from tests.kube import connecting
from tests.kube.proxies import proxy, socks

PROXY = "http://proxy.example.com:3128"
SECRET = "do-not-tell"  # noqa: S105 - not a real secret


@pytest.mark.parametrize(
    ("server", "environment", "expected"),
    [
        ("https://a.example.com", {}, ""),
        ("https://a.example.com", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://a.example.com", {"https_proxy": PROXY}, PROXY),
        ("https://a.example.com", {"HTTPS_PROXY": "proxy.example.com:3128"}, PROXY),
        ("https://a.example.com", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, ""),
        ("http://a.example.com", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, ""),
    ],
)
def test_proxy_variable_of_scheme(server: str, environment: dict[str, str], expected: str) -> None:
    assert select_proxy(server, environment) == expected


@pytest.mark.parametrize(
    ("server", "exceptions", "direct"),
    [
        ("https://a.example.com", "*", True),
        ("https://a.example.com", "example.com", True),
        ("https://a.example.com", ".example.com", True),
        ("https://a.example.com", "*.example.com", True),
        ("https://A.Example.com", " x , EXAMPLE.com ", True),
        ("https://a.example.com:6443", "example.com:6443", True),
        ("https://a.example.com", "a.example.com:443", True),
        ("https://a.example.com:6443", "example.com:443", False),
        ("https://example.com", "example.com", True),
        ("https://example.com", ".example.com", False),
        ("https://notexample.com", "example.com", False),
        ("https://a.example.com", "", False),
        ("https://a.example.com", "ple.com", False),
        ("https://10.96.0.1:443", "10.0.0.0/8", True),
        ("https://10.96.0.1:443", "192.168.0.0/16,10.96.0.1", True),
        ("https://10.96.0.1:443", "10.96.0.1:443", True),
        ("https://10.96.0.1:443", "10.96.0.1:6443", False),
        ("https://11.96.0.1", "10.0.0.0/8,nonsense/8", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://[fd00::1]:6443", "fd00::1", True),
        ("https://[fd00::1]:6443", "fd00::2", False),
        ("https://a.example.com", "10.0.0.0/8", False),
    ],
)
def test_no_proxy(server: str, exceptions: str, *, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert select_proxy(server, {"HTTPS_PROXY": PROXY, name: exceptions}) == ("" if direct else PROXY)


def request_through(cluster: Cluster, **fields: Any) -> ClusterRequest:
    pair = cluster.layout.pair("admin")
    certificate = Certificate(pair.certificate.read_bytes(), pair.key.read_bytes())
    environment = fields.pop("environment", {})
    access = ClusterAccess(
        name="test",
        authority=cluster.authority.read_bytes(),
        login=ClusterLogin(certificate=certificate),
        **({"server": cluster.address} | fields),
    )
    return ClusterRequest(access=access, environment=environment, retry_policy=connecting.HURRIED)


def version(request: ClusterRequest) -> str:
    with KubeConnection(request) as connection:
        return get_server_version(connection).fields["gitVersion"]


def test_proxy_of_kubeconfig(cluster: Cluster) -> None:
    with proxy({}) as server:
        assert version(request_through(cluster, proxy=f"http://{server.address}")) == KUBERNETES
    assert server.targets == [urllib.parse.urlsplit(cluster.address).netloc]


def test_proxy_of_environment(cluster: Cluster) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    with proxy({"kubernetes": "127.0.0.1"}) as server:
        environment = {"HTTPS_PROXY": server.address}
        named = request_through(cluster, server=f"https://kubernetes:{port}", environment=environment)
        assert version(named) == KUBERNETES
        assert server.targets == [f"kubernetes:{port}"]
        except_it = request_through(cluster, environment=environment | {"NO_PROXY": "127.0.0.0/8"})
        assert version(except_it) == KUBERNETES
        assert len(server.targets) == 1


def test_environment_of_process_is_ignored(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "HTTPS_PROXY", "http://127.0.0.1:9")
    assert version(request_through(cluster)) == KUBERNETES


def test_server_name_through_proxy(cluster: Cluster) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    with proxy({"front.example.com": "127.0.0.1"}) as server:
        fields = {"server": f"https://front.example.com:{port}", "proxy": f"http://{server.address}"}
        with pytest.raises(KubeError, match=r"certificate is not valid for 'front\.example\.com'"):
            version(request_through(cluster, **fields))
        assert version(request_through(cluster, server_name="kubernetes.default.svc", **fields)) == KUBERNETES


def test_proxy_with_password(cluster: Cluster) -> None:
    with proxy({}, f"ann:{SECRET}") as server:
        assert version(request_through(cluster, proxy=f"http://ann:{SECRET}@{server.address}")) == KUBERNETES
        with pytest.raises(ConnectionLostError, match="407") as refused:
            version(request_through(cluster, proxy=f"http://bob:{SECRET}s@{server.address}"))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_proxy_resolves_server_name(cluster: Cluster, scheme: str) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    with socks({"kubernetes": "127.0.0.1"}) as server:
        fields = {"server": f"https://kubernetes:{port}", "proxy": f"{scheme}://{server.address}"}
        assert version(request_through(cluster, **fields)) == KUBERNETES
    assert server.targets == [f"kubernetes:{port}"]


@pytest.mark.parametrize("answer", [b"\x05\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05"], ids=repr)
def test_invalid_socks_proxy(cluster: Cluster, answer: bytes) -> None:
    with (
        socks({}, answer) as server,
        pytest.raises(ConnectionLostError, match=r"cannot be reached through the proxy 127\.0\.0\.1"),
    ):
        version(request_through(cluster, proxy=f"socks5://{server.address}"))


@pytest.mark.parametrize(
    "address", [f"ftp://ann:{SECRET}@a", f"http://ann:{SECRET}@[::1", f"://{SECRET}", f"{SECRET}:x:y"]
)
def test_invalid_proxy_is_not_quoted(cluster: Cluster, address: str) -> None:
    with pytest.raises(KubeconfigError, match="invalid proxy") as refused:
        version(request_through(cluster, proxy=address))
    assert SECRET not in str(refused.value)


def test_unreachable_proxy(cluster: Cluster) -> None:
    hurried = msgspec.structs.replace(connecting.HURRIED, max_attempts=2)
    request = request_through(cluster, proxy=f"http://ann:{SECRET}@127.0.0.1:9")
    with pytest.raises(
        ConnectionLostError, match=r"cannot be reached through the proxy 127\.0\.0\.1:9: .*refused"
    ) as refused:
        version(msgspec.structs.replace(request, retry_policy=hurried))
    assert SECRET not in str(refused.value)
