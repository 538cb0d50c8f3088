"""A watch that loses its cluster reports the loss, keeps its verdicts, and equals a scan after recovery."""

from __future__ import annotations

import base64
import gc
import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.connection import KubeConnection
from kubekeep.model.verdict import Status
from kubekeep.model.watch import CoverageChanged, VerdictChange, VerdictChanged
from tests.cluster import supervisor
from tests.cluster.cluster import Cluster, eventually
from tests.kube.faults import Exchange, Front, ReceivedRequest, always, front
from tests.kube.test_watching import is_watch, relay_stream, unchanged
from tests.sources.cluster import objects
from tests.usecases.test_watch import Live, deployment

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""CPython 3.11 leaves a socket to the garbage collector if a stopping server resets it before the handshake."""

CART = "Deployment shop/cart"
EXEC = "client.authentication.k8s.io/v1"


def create_config(
    server: str, trust: dict[str, Any] | None = None, user: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server, **(trust or {})}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": user or {}}],
    }


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect garbage after each test, so that a warning belongs to the test that caused it."""
    yield
    gc.collect()


@pytest.fixture
def shop(module_cluster: Cluster) -> Cluster:
    """Cluster whose server can be stopped, with a shop without privileged containers."""
    module_cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}])
    module_cluster.apply([deployment("shop", privileged=False)])
    return module_cluster


def is_failing(live: Live) -> bool:
    """Return True if the cart fails as privileged."""
    current = live.watch.current
    assert current is not None
    verdicts = [result.verdicts["privileged-container"] for result in current.results if result.subject.label == CART]
    return [verdict.status for verdict in verdicts] == [Status.FAILED]


def is_lost(live: Live) -> bool:
    return live.losses()[-1:] == [False] and not live.is_ready()


def is_back(live: Live) -> bool:
    return live.losses()[-1:] == [True] and live.is_ready() and live.agrees()


def test_watch_survives_a_server_restart(shop: Cluster) -> None:
    live = Live(shop.kubeconfig, ("shop",))

    def restart(*, privileged: bool) -> None:
        """Restart the server, and apply the cart with `privileged` afterwards."""
        with supervisor.without_server(shop.layout.folder):
            eventually(lambda: is_lost(live))
            assert is_failing(live) is not privileged
        eventually(lambda: is_back(live))
        shop.apply([deployment("shop", privileged=privileged)])
        eventually(lambda: is_failing(live) is privileged)

    with live.running():
        eventually(live.is_ready)
        restart(privileged=True)
        restart(privileged=False)
    assert live.losses() == [False, True, False, True]
    # No verdict was gone or unknown meanwhile.
    changes = [
        event.change
        for event in live.events
        if isinstance(event, VerdictChanged) and event.control.slug == "privileged-container"
    ]
    assert changes == [VerdictChange.FAILED, VerdictChange.FIXED]
    assert not [event for event in live.events if isinstance(event, CoverageChanged)]


def test_watch_follows_a_replaced_server(shop: Cluster, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The kubeconfig changes to another address, authority and certificate."""
    kubeconfig = tmp_path / "config"
    shutil.copy(shop.kubeconfig, kubeconfig)
    cluster.apply([deployment(namespace, privileged=True)])
    live = Live(kubeconfig, ("shop", namespace))
    with live.running():
        eventually(live.is_ready)
        with supervisor.without_server(shop.layout.folder):
            eventually(lambda: is_lost(live))
            kubeconfig.write_text("what: [is being written")
            eventually(lambda: is_lost(live))
            shutil.copy(cluster.kubeconfig, kubeconfig)
            eventually(
                lambda: ("privileged-container", f"Deployment {namespace}/cart") in live.changes(VerdictChange.FAILED)
            )
            eventually(live.is_ready)
            assert CART not in {result.subject.label for result in live.watch.current.results}  # type: ignore[union-attr]
    assert live.losses() == [False, True]


def test_upgraded_server_is_recognised(shop: Cluster, tmp_path: Path) -> None:
    """The address stays the same, as in an upgrade."""
    server = {"minor": "30"}

    def corrupt_token(exchange: Exchange) -> bool:
        if not server:
            exchange.drop()
        elif exchange.request.path == "/version":
            exchange.answer(200, exchange.real().document | server)
        elif is_watch(exchange.request):
            relay_stream(shop, unchanged)(exchange)
        else:
            return False
        return True

    def is_of(number: int) -> bool:
        return live.watch.current is not None and live.watch.current.minor == number

    with front(shop, corrupt_token) as proxy:
        kubeconfig = tmp_path / "config"
        kubeconfig.write_text(json.dumps(create_config(proxy.url)))
        live = Live(kubeconfig, ("shop",))
        with live.running():
            eventually(lambda: live.is_ready() and is_of(30))
            server.clear()
            eventually(lambda: is_lost(live))
            server["minor"] = "33+"
            eventually(lambda: is_of(33))
            eventually(lambda: is_back(live))


def test_watch_waits_for_a_server_that_refuses_lists(shop: Cluster, tmp_path: Path) -> None:
    """The kubeconfig changes to another address, and that server refuses lists at first."""
    is_down = {"first": False, "second": True}
    with front(shop) as first, front(shop) as second:
        for proxy in (first, second):
            proxy.faults.append(
                lambda exchange: is_watch(exchange.request) and not relay_stream(shop, unchanged)(exchange)
            )

        def drop_connection(exchange: Exchange) -> bool:
            if is_down["first"]:
                exchange.drop()
            return is_down["first"]

        def refuse(exchange: Exchange) -> bool:
            request = exchange.request
            shows = ("limit" in request.query or is_watch(request)) and request.kind != "customresourcedefinitions"
            if is_refused := is_down["second"] and shows:
                exchange.refuse(503, "Busy", "later")
            return is_refused

        first.faults.insert(0, drop_connection)
        second.faults.insert(0, refuse)
        kubeconfig = tmp_path / "config"
        kubeconfig.write_text(json.dumps(create_config(first.url)))
        live = Live(kubeconfig, ("shop",))
        with live.running():
            eventually(live.is_ready)
            is_down["first"] = True
            eventually(lambda: is_lost(live))
            kubeconfig.write_text(json.dumps(create_config(second.url)))
            eventually(second.lists)
            tries = len(second.requests)
            eventually(lambda: len(second.requests) > 10 * tries)
            assert is_lost(live)
            is_down["second"] = False
            eventually(lambda: is_back(live))
    assert live.losses() == [False, True]
    assert not [event for event in live.events if isinstance(event, CoverageChanged | VerdictChanged)]


def is_access_review(request: ReceivedRequest) -> bool:
    return request.kind == "selfsubjectaccessreviews"


def watch_through_proxy(cluster: Cluster, folder: Path, proxy: Front) -> Live:
    """Return a watch of the shop through a proxy."""
    proxy.faults.append(lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange))
    kubeconfig = folder / "config"
    kubeconfig.write_text(json.dumps(create_config(proxy.url)))
    return Live(kubeconfig, ("shop",))


def test_watch_without_permission_for_access_reviews(shop: Cluster, tmp_path: Path) -> None:
    refuse = always(is_access_review, lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with front(shop, refuse) as proxy:
        live = watch_through_proxy(shop, tmp_path, proxy)
        with live.running():
            eventually(live.is_ready)
            shop.apply([deployment("shop", privileged=True)])
            eventually(lambda: is_failing(live))
            assert [request for request in proxy.requests if is_access_review(request)]


def check_repeated_discovery(shop: Cluster, proxy: Front, live: Live) -> None:
    """Assert that a new definition causes two discovery polls, and that followed resources are still evaluated."""
    definition = objects.definition("example.com", "Gadget", objects.open_schema())
    started = len(proxy.requests)
    shop.apply([definition])
    try:
        eventually(lambda: [request.path for request in proxy.requests[started:]].count("/apis") == 2)
        shop.apply([deployment("shop", privileged=True)])
        eventually(lambda: is_failing(live))
    finally:
        shop.delete(definition)


def test_failed_discovery_poll_is_ignored(shop: Cluster, tmp_path: Path) -> None:
    """New kinds are not discovered; followed resources are still evaluated."""
    with front(shop) as proxy:
        live = watch_through_proxy(shop, tmp_path, proxy)
        with live.running():
            eventually(live.is_ready)
            proxy.faults.insert(0, always(is_access_review, Exchange.drop))
            check_repeated_discovery(shop, proxy, live)
    assert live.losses() == []


def answer_namespaced_reviews(exchange: Exchange) -> bool:
    """Answer access reviews, denying access outside of namespaces; return True if answered."""
    if not is_access_review(exchange.request):
        return False
    document = exchange.real().document
    document["status"]["allowed"] &= "namespace" in document["spec"]["resourceAttributes"]
    exchange.answer(201, document)
    return True


def test_failed_access_review_keeps_permissions(shop: Cluster, tmp_path: Path) -> None:
    with front(shop, answer_namespaced_reviews) as proxy:
        live = watch_through_proxy(shop, tmp_path, proxy)
        with live.running():
            eventually(live.is_ready)
            busy = always(is_access_review, lambda exchange: exchange.refuse(503, "Busy", "later"))
            proxy.faults.insert(0, busy)
            lists = {request.path for request in proxy.lists()}
            check_repeated_discovery(shop, proxy, live)
        assert {request.path for request in proxy.lists()} == lists


def test_closed_connection_is_reopened(shop: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[KubeConnection] = []

    def connect(request: ClusterRequest) -> KubeConnection:
        connections.append(KubeConnection(request))
        return connections[-1]

    monkeypatch.setattr("kubekeep.usecases.cluster.KubeConnection", connect)
    live = Live(shop.kubeconfig, ("shop",))
    with live.running():
        eventually(live.is_ready)
        connections[0].close()
        shop.apply([deployment("shop", privileged=True)])
        eventually(lambda: is_failing(live))
        eventually(live.is_ready)
    assert len(connections) == 2


def create_login(folder: Path, cluster: Cluster) -> Path:
    """Return a kubeconfig whose user has the credential in the file `credential` beside it."""
    program = folder / "login"
    program.write_text(f"#!/bin/sh\nexec cat {folder}/credential\n")
    program.chmod(stat.S_IRWXU)
    authority = base64.b64encode(cluster.authority.read_bytes()).decode()
    kubeconfig = folder / "config"
    user = {"exec": {"apiVersion": EXEC, "command": str(program)}}
    kubeconfig.write_text(json.dumps(create_config(cluster.address, {"certificate-authority-data": authority}, user)))
    return kubeconfig


def create_account(cluster: Cluster, name: str) -> dict[str, Any]:
    """Create a service account that may read everything."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "shop"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    service_account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}}
    cluster.apply([service_account, binding])
    return service_account


def test_expired_token_is_replaced(shop: Cluster, tmp_path: Path) -> None:
    """The login program returns a new token, then an invalid one for a while, then a new one."""
    first, second = create_account(shop, "first"), create_account(shop, "second")
    create_account(shop, "third")
    tokens = {name: shop.service_account_token("shop", name) for name in ("first", "second", "third")}

    def write_token(name: str) -> None:
        credential = {"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": tokens[name]}}
        (tmp_path / "fresh").write_text(json.dumps(credential))
        (tmp_path / "fresh").replace(tmp_path / "credential")

    write_token("first")
    live = Live(create_login(tmp_path, shop), ("shop",))
    with live.running():
        eventually(live.is_ready)
        write_token("second")
        shop.delete(first)
        shop.apply([deployment("shop", privileged=True)])
        eventually(lambda: is_failing(live))
        streams = live.counting.metrics.lists
        assert live.losses() == []
        shop.delete(second)
        # The API server caches authenticated tokens for some seconds.
        eventually(lambda: is_lost(live))
        assert is_failing(live)
        write_token("third")
        eventually(lambda: is_back(live))
        shop.apply([deployment("shop", privileged=False)])
        eventually(lambda: ("privileged-container", CART) in live.changes(VerdictChange.FIXED))
        assert live.counting.metrics.lists == streams
    assert not [event for event in live.events if isinstance(event, CoverageChanged)]


def test_watches_of_two_clusters_are_independent(shop: Cluster, cluster: Cluster, namespace: str) -> None:
    cluster.apply([deployment(namespace, privileged=False)])
    lost, other = Live(shop.kubeconfig, ("shop",)), Live(cluster.kubeconfig, (namespace,))
    other_cart = f"Deployment {namespace}/cart"
    with other.running():
        with lost.running():
            shop.apply([deployment("shop", privileged=True)])
            eventually(lambda: ("privileged-container", CART) in lost.changes(VerdictChange.FAILED))
            with supervisor.without_server(shop.layout.folder):
                eventually(lambda: is_lost(lost))
                cluster.apply([deployment(namespace, privileged=True)])
                eventually(lambda: ("privileged-container", other_cart) in other.changes(VerdictChange.FAILED))
                assert other.is_ready()
            eventually(lambda: is_back(lost))
            eventually(other.agrees)
            evaluations = lost.counting.metrics.assessments
        # The garbage collector is one for both: the objects of the other watch are frozen again.
        assert gc.get_freeze_count() == 0
        cluster.apply([deployment(namespace, privileged=False)])
        eventually(lambda: ("privileged-container", other_cart) in other.changes(VerdictChange.FIXED))
        eventually(lambda: gc.get_freeze_count() > 0)
    assert gc.get_freeze_count() == 0
    assert not other.losses()
    assert lost.counting.metrics.assessments == evaluations
    for live, label in ((lost, CART), (other, other_cart)):
        labels = {event.resource.label for event in live.events if isinstance(event, VerdictChanged)}
        assert labels == {label}
