"""Which proxy leads to a cluster is chosen as kubectl does, and a real one is gone through."""

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
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import KUBERNETES
from tests.kube import connecting
from tests.kube.proxies import proxy, socks

PROXY = "http://proxy.example.com:3128"
SECRET = "do-not-tell"  # noqa: S105 - of nobody


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
def test_the_variable_of_the_scheme(server: str, environment: dict[str, str], expected: str) -> None:
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
def test_where_no_proxy_is_wanted(server: str, exceptions: str, *, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert select_proxy(server, {"HTTPS_PROXY": PROXY, name: exceptions}) == ("" if direct else PROXY)


def asked(cluster: Cluster, **fields: Any) -> ClusterRequest:
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


def test_the_proxy_of_the_kubeconfig_leads_anywhere(cluster: Cluster) -> None:
    with proxy({}) as found:
        assert version(asked(cluster, proxy=f"http://{found.address}")) == KUBERNETES
    assert found.led == [urllib.parse.urlsplit(cluster.address).netloc]


def test_the_proxy_of_the_environment(cluster: Cluster) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    with proxy({"kubernetes": "127.0.0.1"}) as found:
        environment = {"HTTPS_PROXY": found.address}
        named = asked(cluster, server=f"https://kubernetes:{port}", environment=environment)
        assert version(named) == KUBERNETES
        assert found.led == [f"kubernetes:{port}"]
        except_it = asked(cluster, environment=environment | {"NO_PROXY": "127.0.0.0/8"})
        assert version(except_it) == KUBERNETES
        assert len(found.led) == 1


def test_only_the_environment_of_the_request_counts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "HTTPS_PROXY", "http://127.0.0.1:9")
    assert version(asked(cluster)) == KUBERNETES


def test_another_name_through_a_proxy(cluster: Cluster) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    with proxy({"front.example.com": "127.0.0.1"}) as found:
        fields = {"server": f"https://front.example.com:{port}", "proxy": f"http://{found.address}"}
        with pytest.raises(KubeError, match=r"certificate is not valid for 'front\.example\.com'"):
            version(asked(cluster, **fields))
        assert version(asked(cluster, server_name="kubernetes.default.svc", **fields)) == KUBERNETES


def test_a_proxy_that_wants_a_password(cluster: Cluster) -> None:
    with proxy({}, f"ann:{SECRET}") as found:
        assert version(asked(cluster, proxy=f"http://ann:{SECRET}@{found.address}")) == KUBERNETES
        with pytest.raises(ConnectionLostError, match="407") as refused:
            version(asked(cluster, proxy=f"http://bob:{SECRET}s@{found.address}"))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_is_told_the_name_of_the_server(cluster: Cluster, scheme: str) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    with socks({"kubernetes": "127.0.0.1"}) as found:
        fields = {"server": f"https://kubernetes:{port}", "proxy": f"{scheme}://{found.address}"}
        assert version(asked(cluster, **fields)) == KUBERNETES
    assert found.led == [f"kubernetes:{port}"]


@pytest.mark.parametrize("answer", [b"\x05\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05"], ids=repr)
def test_what_is_no_socks_proxy(cluster: Cluster, answer: bytes) -> None:
    with (
        socks({}, answer) as found,
        pytest.raises(ConnectionLostError, match=r"cannot be reached through the proxy 127\.0\.0\.1"),
    ):
        version(asked(cluster, proxy=f"socks5://{found.address}"))


@pytest.mark.parametrize(
    "address", [f"ftp://ann:{SECRET}@a", f"http://ann:{SECRET}@[::1", f"://{SECRET}", f"{SECRET}:x:y"]
)
def test_a_proxy_that_is_none_is_not_cited(cluster: Cluster, address: str) -> None:
    with pytest.raises(KubeconfigError, match="the proxy cannot be used") as refused:
        version(asked(cluster, proxy=address))
    assert SECRET not in str(refused.value)


def test_a_proxy_that_is_gone(cluster: Cluster) -> None:
    hurried = msgspec.structs.replace(connecting.HURRIED, tries=2)
    request = asked(cluster, proxy=f"http://ann:{SECRET}@127.0.0.1:9")
    with pytest.raises(
        ConnectionLostError, match=r"cannot be reached through the proxy 127\.0\.0\.1:9: .*refused"
    ) as refused:
        version(msgspec.structs.replace(request, retry_policy=hurried))
    assert SECRET not in str(refused.value)
