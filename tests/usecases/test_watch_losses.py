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
from kubekeep.model.finding import Status
from kubekeep.model.watch import CoverageChanged, VerdictChange, VerdictChanged
from tests.cluster import supervisor
from tests.cluster.cluster import Cluster, eventually
from tests.kube.faults import Exchange, Front, ReceivedRequest, always, front
from tests.kube.test_watching import is_watch, relay_stream, unchanged
from tests.sources.cluster import objects
from tests.usecases.test_watch import Live, deployment

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""CPython 3.11 leaves a socket to the garbage collector whose peer resets it before the handshake, as servers that end do."""

CART = "Deployment shop/cart"
EXEC = "client.authentication.k8s.io/v1"


def config(server: str, trust: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> dict[str, Any]:
    """A kubeconfig with one context."""
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
    """What is left to the garbage collector goes with the test that has left it."""
    yield
    gc.collect()


@pytest.fixture
def shop(module_cluster: Cluster) -> Cluster:
    """A cluster whose server may be halted, with a shop in it where nothing is privileged."""
    module_cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}])
    module_cluster.apply([deployment("shop", privileged=False)])
    return module_cluster


def fails(live: Live) -> bool:
    """Whether the cart is known to be privileged."""
    current = live.watch.current
    assert current is not None
    found = [item.verdicts["privileged-container"] for item in current.results if item.resource.label == CART]
    return [verdict.status for verdict in found] == [Status.FAILED]


def is_lost(live: Live) -> bool:
    return live.losses()[-1:] == [False] and not live.is_ready()


def is_back(live: Live) -> bool:
    return live.losses()[-1:] == [True] and live.is_ready() and live.agrees()


def test_a_server_that_restarts(shop: Cluster) -> None:
    live = Live(shop.kubeconfig, ("shop",))

    def restarts(*, privileged: bool) -> None:
        """And the cart is made privileged afterwards, or not any more."""
        with supervisor.without_server(shop.layout.folder):
            eventually(lambda: is_lost(live))
            assert fails(live) is not privileged
        eventually(lambda: is_back(live))
        shop.apply([deployment("shop", privileged=privileged)])
        eventually(lambda: fails(live) is privileged)

    with live.running():
        eventually(live.is_ready)
        restarts(privileged=True)
        restarts(privileged=False)
    assert live.losses() == [False, True, False, True]
    # Nothing was taken for gone or unknown meanwhile.
    about = [
        item.change
        for item in live.told
        if isinstance(item, VerdictChanged) and item.control.slug == "privileged-container"
    ]
    assert about == [VerdictChange.FAILED, VerdictChange.FIXED]
    assert not [item for item in live.told if isinstance(item, CoverageChanged)]


def test_a_server_that_is_replaced(shop: Cluster, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The kubeconfig has another address, authority and certificate from some moment on."""
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
                lambda: ("privileged-container", f"Deployment {namespace}/cart") in live.turns(VerdictChange.FAILED)
            )
            eventually(live.is_ready)
            assert CART not in {item.resource.label for item in live.watch.current.results}  # type: ignore[union-attr]
    assert live.losses() == [False, True]


def test_a_server_that_comes_back_in_another_version(shop: Cluster, tmp_path: Path) -> None:
    """Its address is the same: it was upgraded."""
    server = {"minor": "30"}

    def spoil(exchange: Exchange) -> bool:
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

    with front(shop, spoil) as before:
        kubeconfig = tmp_path / "config"
        kubeconfig.write_text(json.dumps(config(before.url)))
        live = Live(kubeconfig, ("shop",))
        with live.running():
            eventually(lambda: live.is_ready() and is_of(30))
            server.clear()
            eventually(lambda: is_lost(live))
            server["minor"] = "33+"
            eventually(lambda: is_of(33))
            eventually(lambda: is_back(live))


def test_a_server_that_shows_nothing_yet(shop: Cluster, tmp_path: Path) -> None:
    """The kubeconfig leads to another address, where nothing can be listed at first."""
    is_down = {"first": False, "second": True}
    with front(shop) as first, front(shop) as second:
        for before in (first, second):
            before.faults.append(
                lambda exchange: is_watch(exchange.request) and not relay_stream(shop, unchanged)(exchange)
            )

        def drop(exchange: Exchange) -> bool:
            if is_down["first"]:
                exchange.drop()
            return is_down["first"]

        def refuse(exchange: Exchange) -> bool:
            asked = exchange.request
            shows = ("limit" in asked.query or is_watch(asked)) and asked.kind != "customresourcedefinitions"
            if is_refused := is_down["second"] and shows:
                exchange.refuse(503, "Busy", "later")
            return is_refused

        first.faults.insert(0, drop)
        second.faults.insert(0, refuse)
        kubeconfig = tmp_path / "config"
        kubeconfig.write_text(json.dumps(config(first.url)))
        live = Live(kubeconfig, ("shop",))
        with live.running():
            eventually(live.is_ready)
            is_down["first"] = True
            eventually(lambda: is_lost(live))
            kubeconfig.write_text(json.dumps(config(second.url)))
            eventually(second.lists)
            tries = len(second.requests)
            eventually(lambda: len(second.requests) > 10 * tries)
            assert is_lost(live)
            is_down["second"] = False
            eventually(lambda: is_back(live))
    assert live.losses() == [False, True]
    assert not [item for item in live.told if isinstance(item, CoverageChanged | VerdictChanged)]


def asks_what_it_may(asked: ReceivedRequest) -> bool:
    return asked.kind == "selfsubjectaccessreviews"


def through(cluster: Cluster, folder: Path, before: Front) -> Live:
    """A watch of the shop through a front."""
    before.faults.append(lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange))
    kubeconfig = folder / "config"
    kubeconfig.write_text(json.dumps(config(before.url)))
    return Live(kubeconfig, ("shop",))


def test_watch_without_permission_for_access_reviews(shop: Cluster, tmp_path: Path) -> None:
    refuse = always(asks_what_it_may, lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with front(shop, refuse) as before:
        live = through(shop, tmp_path, before)
        with live.running():
            eventually(live.is_ready)
            shop.apply([deployment("shop", privileged=True)])
            eventually(lambda: fails(live))
            assert [asked for asked in before.requests if asks_what_it_may(asked)]


def it_looks_and_goes_on(shop: Cluster, before: Front, live: Live) -> None:
    """What may be served by now is looked at, twice as that is in vain, and what is followed is still judged."""
    definition = objects.definition("example.com", "Gadget", objects.open_schema())
    started = len(before.requests)
    shop.apply([definition])
    try:
        eventually(lambda: [asked.path for asked in before.requests[started:]].count("/apis") == 2)
        shop.apply([deployment("shop", privileged=True)])
        eventually(lambda: fails(live))
    finally:
        shop.delete(definition)


def test_failed_discovery_poll_is_ignored(shop: Cluster, tmp_path: Path) -> None:
    """Whether other kinds are served by now cannot be found out; what is followed still is."""
    with front(shop) as before:
        live = through(shop, tmp_path, before)
        with live.running():
            eventually(live.is_ready)
            before.faults.insert(0, always(asks_what_it_may, Exchange.drop))
            it_looks_and_goes_on(shop, before, live)
    assert live.losses() == []


def in_namespaces_alone(exchange: Exchange) -> bool:
    """Nothing is granted outside of namespaces."""
    if not asks_what_it_may(exchange.request):
        return False
    document = exchange.real().document
    document["status"]["allowed"] &= "namespace" in document["spec"]["resourceAttributes"]
    exchange.answer(201, document)
    return True


def test_a_server_that_cannot_say_what_one_may_has_not_taken_it_away(shop: Cluster, tmp_path: Path) -> None:
    with front(shop, in_namespaces_alone) as before:
        live = through(shop, tmp_path, before)
        with live.running():
            eventually(live.is_ready)
            busy = always(asks_what_it_may, lambda exchange: exchange.refuse(503, "Busy", "later"))
            before.faults.insert(0, busy)
            lists = {asked.path for asked in before.lists()}
            it_looks_and_goes_on(shop, before, live)
        assert {asked.path for asked in before.lists()} == lists


def test_closed_connection_is_reopened(shop: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[KubeConnection] = []

    def connect(request: ClusterRequest) -> KubeConnection:
        made.append(KubeConnection(request))
        return made[-1]

    monkeypatch.setattr("kubekeep.usecases.cluster.KubeConnection", connect)
    live = Live(shop.kubeconfig, ("shop",))
    with live.running():
        eventually(live.is_ready)
        made[0].close()
        shop.apply([deployment("shop", privileged=True)])
        eventually(lambda: fails(live))
        eventually(live.is_ready)
    assert len(made) == 2


def login(folder: Path, cluster: Cluster) -> Path:
    """A kubeconfig whose user is known by whatever the file `credential` beside it holds."""
    program = folder / "login"
    program.write_text(f"#!/bin/sh\nexec cat {folder}/credential\n")
    program.chmod(stat.S_IRWXU)
    authority = base64.b64encode(cluster.authority.read_bytes()).decode()
    found = folder / "config"
    user = {"exec": {"apiVersion": EXEC, "command": str(program)}}
    found.write_text(json.dumps(config(cluster.address, {"certificate-authority-data": authority}, user)))
    return found


def account(cluster: Cluster, name: str) -> dict[str, Any]:
    """A service account that may see everything."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "shop"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    found = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}}
    cluster.apply([found, binding])
    return found


def test_expired_token_is_replaced(shop: Cluster, tmp_path: Path) -> None:
    """First the program has another, then it has none for a while, then one again."""
    first, second = account(shop, "first"), account(shop, "second")
    account(shop, "third")
    tokens = {name: shop.service_account_token("shop", name) for name in ("first", "second", "third")}

    def says(name: str) -> None:
        credential = {"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": tokens[name]}}
        (tmp_path / "fresh").write_text(json.dumps(credential))
        (tmp_path / "fresh").replace(tmp_path / "credential")

    says("first")
    live = Live(login(tmp_path, shop), ("shop",))
    with live.running():
        eventually(live.is_ready)
        says("second")
        shop.delete(first)
        shop.apply([deployment("shop", privileged=True)])
        eventually(lambda: fails(live))
        streams = live.watch.metrics.lists
        assert live.losses() == []
        shop.delete(second)
        # The API server remembers whom it has let in for some seconds.
        eventually(lambda: is_lost(live))
        assert fails(live)
        says("third")
        eventually(lambda: is_back(live))
        shop.apply([deployment("shop", privileged=False)])
        eventually(lambda: ("privileged-container", CART) in live.turns(VerdictChange.FIXED))
        assert live.watch.metrics.lists == streams
    assert not [item for item in live.told if isinstance(item, CoverageChanged)]
