"""Lists through faulty networks and servers: every object exactly once or an error, never a shorter list."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from kubekeep.kube import listing
from kubekeep.kube.access import ClusterLogin
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import discover
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeError, LoginError, UnreadableResponseError
from kubekeep.kube.listing import Listing, ListQuery
from kubekeep.kube.review import Permission, review_permissions
from tests.cluster.cluster import Cluster
from tests.kube import connecting
from tests.kube.faults import Exchange, Fault, always, front, older, page_of, times

PAGES = page_of("configmaps")
LATER = page_of("configmaps", 2)
SIZE = 5
GUESSED = "guessed-secret"
Damage = Callable[[Exchange], object]


@pytest.fixture(scope="module")
def filled_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace with five pages of ConfigMaps that no test changes."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    connecting.config_maps(cluster, name, [f"number-{number:02}" for number in range(23)])
    yield name
    cluster.remove_namespace(name)


@pytest.fixture(scope="module")
def expected_uids(cluster: Cluster, filled_namespace: str) -> set[str]:
    """UIDs of these ConfigMaps, read from the API server directly."""
    return connecting.list_uids(cluster, filled_namespace)


def list_uids(server: str, namespace: str, **changes: Any) -> list[str]:
    """List the ConfigMaps of a namespace with the client and return their UIDs."""
    retry_policy = msgspec.structs.replace(connecting.HURRIED, **changes)
    query = ListQuery(served=connecting.CONFIG_MAPS, namespace=namespace)
    with connecting.connection(server, retry_policy=retry_policy) as connection:
        return [config_map["metadata"]["uid"] for page in Listing(connection, query, SIZE) for config_map in page]


def cut(exchange: Exchange, *, honest: bool) -> None:
    """Half a document, with its own Content-Length or that of the whole."""
    body = exchange.real().body
    exchange.answer(200, body[: len(body) // 2], length=None if honest else len(body))


def slow(exchange: Exchange) -> None:
    """The whole response in parts, with pauses shorter than the maximum silence."""
    body = exchange.real().body
    size = len(body) // 5 + 1

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), size):
            time.sleep(0.1)
            yield body[start : start + size]

    exchange.stream(pieces())


def remove_items(exchange: Exchange) -> None:
    document = exchange.real().document
    del document["items"]
    exchange.answer(200, document)


DAMAGES: dict[str, Damage] = {
    "dropped": lambda exchange: exchange.drop(),
    "slow": slow,
    "busy": lambda exchange: exchange.refuse(429, "TooManyRequests", "later"),
    "busy for a second": lambda exchange: exchange.refuse(
        429, "TooManyRequests", "later", headers={"Retry-After": "1"}
    ),
    "internal": lambda exchange: exchange.refuse(500, "InternalError", "etcdserver: leader changed"),
    "unavailable": lambda exchange: exchange.answer(503, b"no endpoints", kind="text/plain"),
    "cut": lambda exchange: cut(exchange, honest=True),
    "cut, and the length tells": lambda exchange: cut(exchange, honest=False),
    "login page": lambda exchange: exchange.answer(200, b"<html>Sign in</html>", kind="text/html"),
    "no items": remove_items,
    "no list": lambda exchange: exchange.answer(200, {"kind": "Status", "metadata": {}, "status": "Success"}),
    "nothing": lambda exchange: exchange.answer(200, b""),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("pages", [PAGES, LATER], ids=["first page", "later page"])
def test_temporary_fault_loses_nothing(
    cluster: Cluster, filled_namespace: str, expected_uids: set[str], damage: Damage, pages: Callable[..., bool]
) -> None:
    with front(cluster, times(2, pages, damage)) as proxy:
        uids = list_uids(proxy.url, filled_namespace)
    assert len(uids) == len(expected_uids)
    assert set(uids) == expected_uids


@pytest.mark.parametrize(
    "damage",
    [fault for name, fault in DAMAGES.items() if name != "slow"],
    ids=[name for name in DAMAGES if name != "slow"],
)
def test_permanent_fault_fails_after_all_tries(
    cluster: Cluster, filled_namespace: str, expected_uids: set[str], damage: Damage
) -> None:
    with front(cluster, always(LATER, damage)) as proxy:
        with pytest.raises(KubeError):
            list_uids(proxy.url, filled_namespace, max_attempts=3)
        later = [request for request in proxy.lists() if "continue" in request.query]
    assert expected_uids
    assert len(later) == 3


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 0.0), ("-1", 0.0), ("9" * 400, 0.0)])
def test_retry_after(cluster: Cluster, filled_namespace: str, header: str, seconds: float) -> None:
    def busy(exchange: Exchange) -> None:
        exchange.refuse(429, "TooManyRequests", "later", headers={"Retry-After": header})

    with front(cluster, always(PAGES, busy)) as proxy, pytest.raises(ApiError, match="later") as refused:
        list_uids(proxy.url, filled_namespace, max_attempts=1)
    assert refused.value.retry_after == seconds


def test_no_attempt_after_the_total_timeout(cluster: Cluster, filled_namespace: str) -> None:
    def busy(exchange: Exchange) -> None:
        exchange.refuse(429, "TooManyRequests", "later", headers={"Retry-After": "60"})

    with front(cluster, always(PAGES, busy)) as proxy:
        with pytest.raises(ApiError, match="later"):
            list_uids(proxy.url, filled_namespace, max_wait=60, total_timeout=20)
        assert len(proxy.lists()) == 1


def test_endless_response_fails(cluster: Cluster, filled_namespace: str) -> None:
    def endless(exchange: Exchange) -> None:
        start = b'{"kind":"ConfigMapList","metadata":{},"items":['
        exchange.stream(itertools.chain([start], itertools.repeat(b"{}," * 10_000)))

    with front(cluster, always(PAGES, endless)) as proxy, pytest.raises(KubeError, match="larger than 1000000 bytes"):
        list_uids(proxy.url, filled_namespace, max_bytes=1_000_000)


def test_slow_endless_response_times_out(cluster: Cluster, filled_namespace: str) -> None:
    def trickle() -> Iterator[bytes]:
        while True:
            time.sleep(0.05)
            yield b" "

    with (
        front(cluster, always(PAGES, lambda exchange: exchange.stream(trickle()))) as proxy,
        pytest.raises(ConnectionLostError, match=r"took longer than 0\.3 s"),
    ):
        list_uids(proxy.url, filled_namespace, total_timeout=0.3, max_attempts=1)


def test_unresponsive_server_times_out(cluster: Cluster, filled_namespace: str) -> None:
    silent = threading.Event()
    with front(cluster, always(PAGES, lambda _: silent.wait(30))) as proxy:
        with pytest.raises(ConnectionLostError, match="timed out"):
            list_uids(proxy.url, filled_namespace, read_timeout=0.2, max_attempts=2)
        silent.set()
    assert len(proxy.lists()) == 2


def test_unresponsive_server_limits_total_time(cluster: Cluster, filled_namespace: str) -> None:
    silent = threading.Event()
    with front(cluster, always(PAGES, lambda _: silent.wait(30))) as proxy:
        with pytest.raises(ConnectionLostError, match="timed out"):
            list_uids(proxy.url, filled_namespace, read_timeout=0.2, total_timeout=0.3, max_attempts=50)
        silent.set()
    assert 2 <= len(proxy.lists()) < 50


def expired(continues: str = "") -> Damage:
    """Return a fault for an expired continue token; with a new token, the list can continue."""

    def refuse(exchange: Exchange) -> None:
        metadata = {"continue": continues or exchange.request.query["continue"]} if continues != "none" else {}
        exchange.refuse(410, "Expired", "The provided continue parameter is too old", metadata=metadata)

    return refuse


@pytest.mark.parametrize("token", ["", "none"], ids=["goes on", "from the start"])
def test_expired_list_continues(cluster: Cluster, filled_namespace: str, expected_uids: set[str], token: str) -> None:
    with front(cluster, times(3, LATER, expired(token))) as proxy:
        uids = list_uids(proxy.url, filled_namespace)
        starts = [request for request in proxy.lists() if "continue" not in request.query]
    assert len(uids) == len(expected_uids)
    assert set(uids) == expected_uids
    assert len(starts) == (4 if token else 1)


def test_list_expiring_repeatedly_fails(cluster: Cluster, filled_namespace: str, expected_uids: set[str]) -> None:
    with front(cluster, always(LATER, expired("none"))) as proxy, pytest.raises(ApiError, match="too old") as refused:
        list_uids(proxy.url, filled_namespace)
    assert refused.value.reason == "Expired"
    assert expected_uids


def test_list_continues_after_etcd_compaction(own_cluster: Cluster) -> None:
    """A real expiry: the API server itself rejects the token and returns a new one."""
    expected_uids = connecting.config_maps(own_cluster, "default", [f"number-{number:02}" for number in range(12)])
    with front(own_cluster) as proxy, connecting.connection(proxy.url) as connection:
        pages = iter(Listing(connection, ListQuery(served=connecting.CONFIG_MAPS, namespace="default"), SIZE))
        uids = [config_map["metadata"]["uid"] for config_map in next(pages)]
        own_cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}}])
        own_cluster.compact()
        uids += [config_map["metadata"]["uid"] for page in pages for config_map in page]
    assert len(uids) == len(set(uids))
    assert expected_uids <= set(uids)


def test_duplicate_objects_are_dropped(cluster: Cluster, filled_namespace: str, expected_uids: set[str]) -> None:
    def again(exchange: Exchange) -> None:
        document = exchange.real().document
        document["items"] += document["items"]
        exchange.answer(200, document)

    with front(cluster, always(PAGES, again)) as proxy:
        uids = list_uids(proxy.url, filled_namespace)
    assert len(uids) == len(expected_uids)
    assert set(uids) == expected_uids


def test_list_without_progress_fails(cluster: Cluster, filled_namespace: str, expected_uids: set[str]) -> None:
    numbers = itertools.count()

    def same(exchange: Exchange) -> None:
        """The first page with a new token each time."""
        document = exchange.real().document
        document["metadata"]["continue"] = f"token-{next(numbers)}"
        exchange.answer(200, document)

    def stuck(exchange: Exchange) -> bool:
        if "limit" not in exchange.request.query:
            return False
        exchange.answer(200, {"kind": "ConfigMapList", "metadata": {"continue": "same"}, "items": []})
        return True

    with front(cluster, stuck) as proxy, pytest.raises(ConnectionLostError, match="same objects repeatedly"):
        list_uids(proxy.url, filled_namespace)

    def first_again(exchange: Exchange) -> bool:
        document = {"kind": "ConfigMapList", "metadata": {"continue": f"token-{next(numbers)}"}}
        objects = [{"metadata": {"name": name, "uid": name}} for name in "abcde"]
        exchange.answer(200, document | {"items": objects})
        return True

    with front(cluster, first_again) as proxy, pytest.raises(ConnectionLostError, match="same objects repeatedly"):
        list_uids(proxy.url, filled_namespace)
    assert expected_uids


@pytest.mark.parametrize(("name", "most"), [("_MAX_PAGES", 7), ("_MAX_OBJECTS", 69)])
def test_endless_list_fails(
    cluster: Cluster, filled_namespace: str, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(listing, name, most)
    numbers = itertools.count()

    def more(exchange: Exchange) -> None:
        objects = [{"metadata": {"name": "a", "uid": str(next(numbers))}} for _ in range(10)]
        document = {"kind": "ConfigMapList", "metadata": {"continue": str(next(numbers))}, "items": objects}
        exchange.answer(200, document)

    message = "the API server returned 70 objects in 7 pages and has more"
    with front(cluster, always(PAGES, more)) as proxy, pytest.raises(ConnectionLostError, match=message):
        list_uids(proxy.url, filled_namespace)


def empty(tokens: Iterator[str]) -> Damage:
    """Return a fault that answers with an empty page and a continue token."""

    def answer(exchange: Exchange) -> None:
        exchange.answer(200, {"kind": "ConfigMapList", "metadata": {"continue": next(tokens)}, "items": []})

    return answer


def test_endless_empty_pages_fail(cluster: Cluster, filled_namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MAX_EMPTY_PAGES", 20)
    tokens = itertools.cycle("ab")
    with (
        front(cluster, always(PAGES, empty(tokens))) as proxy,
        pytest.raises(ConnectionLostError, match="too many pages without objects"),
    ):
        list_uids(proxy.url, filled_namespace)
    assert len(proxy.lists()) == 21


def test_list_continues_after_empty_pages(cluster: Cluster, filled_namespace: str, expected_uids: set[str]) -> None:
    first = cluster.admin("GET", f"/api/v1/namespaces/{filled_namespace}/configmaps?limit=1")["metadata"]["continue"]
    tokens = itertools.chain(itertools.islice(itertools.cycle("ab"), 19), [first])
    with front(cluster, times(20, PAGES, empty(tokens))) as proxy:
        uids = list_uids(proxy.url, filled_namespace)
    assert len(uids) == len(expected_uids) - 1


def test_token_replaced_during_list(
    cluster: Cluster, filled_namespace: str, expected_uids: set[str], tmp_path: Path
) -> None:
    """From the second page on the API server rejects the old token; the file then has a new one."""
    file = tmp_path / "token"
    first, second = (cluster.service_account_token(filled_namespace, name) for name in ("first", "second"))
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "readers", "namespace": filled_namespace},
        "subjects": [
            {"kind": "ServiceAccount", "name": name, "namespace": filled_namespace} for name in ("first", "second")
        ],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    }
    cluster.apply([binding])
    file.write_text(first)

    def stale(exchange: Exchange) -> bool:
        if (
            exchange.request.headers.get("authorization") != f"Bearer {first}"
            or "continue" not in exchange.request.query
        ):
            return False
        file.write_text(second + "\n")
        exchange.refuse(401, "Unauthorized", "Unauthorized")
        return True

    with front(cluster, stale) as proxy:
        login = ClusterLogin(token_file=str(file))
        query = ListQuery(served=connecting.CONFIG_MAPS, namespace=filled_namespace)
        with connecting.connection(proxy.url, login) as connection:
            uids = [config_map["metadata"]["uid"] for page in Listing(connection, query, SIZE) for config_map in page]
        refused = [request for request in proxy.lists() if "continue" in request.query]
    assert set(uids) == expected_uids
    assert len(uids) == len(expected_uids)
    assert {request.headers["authorization"] for request in refused} == {f"Bearer {first}", f"Bearer {second}"}


def test_rejected_token_fails_at_once(cluster: Cluster, filled_namespace: str) -> None:
    login = ClusterLogin(token=GUESSED)
    with (
        front(cluster) as proxy,
        connecting.connection(proxy.url, login) as connection,
        pytest.raises(LoginError, match="rejects the credentials") as refused,
    ):
        connection.get(f"/api/v1/namespaces/{filled_namespace}/configmaps", dict[str, Any])
    assert GUESSED not in str(refused.value)
    assert len(proxy.requests) == 1


def test_redirect_is_not_followed(cluster: Cluster, filled_namespace: str) -> None:
    with front(cluster) as other:

        def away(exchange: Exchange) -> bool:
            exchange.answer(302, b"", kind="text/html", headers={"Location": f"{other.url}{exchange.request.path}"})
            return True

        with front(cluster, away) as proxy, pytest.raises(ApiError, match="302"):
            list_uids(proxy.url, filled_namespace)
        assert other.requests == []


def test_deeply_nested_object_fails(cluster: Cluster, filled_namespace: str) -> None:
    def deep(exchange: Exchange) -> None:
        inside = b'{"a":' * 5000 + b"1" + b"}" * 5000
        exchange.answer(200, b'{"kind":"ConfigMapList","metadata":{},"items":[' + inside + b"]}")

    with front(cluster, always(PAGES, deep)) as proxy, pytest.raises(KubeError, match="nested too deeply"):
        list_uids(proxy.url, filled_namespace)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/apis", {"kind": "APIGroupDiscoveryList", "items": [{"versions": [{"version": 1}]}]}),
        ("/apis", {"kind": "APIGroupList", "groups": [{"versions": []}]}),
        ("/api", {"kind": "APIGroupDiscoveryList", "items": "none"}),
        *((path, {}) for path in ("/api", "/apis")),
        *((path, {"kind": "Status", "status": "Success"}) for path in ("/api", "/apis")),
        *((path, {"kind": "APIGroupDiscoveryList", "items": None}) for path in ("/api", "/apis")),
        ("/api", {"kind": "APIGroupDiscoveryList", "items": []}),
        ("/api", {"kind": "APIGroupDiscoveryList", "items": [{"versions": [{"version": "v1"}]}]}),
        ("/api", {"kind": "APIVersions", "versions": []}),
        ("/api", {"kind": "APIVersions", "versions": None}),
        ("/api", {"kind": "APIGroupList", "groups": []}),
        ("/apis", {"kind": "APIGroupList"}),
        ("/apis", {"kind": "APIVersions", "versions": ["v1"]}),
    ],
)
def test_invalid_discovery_fails(cluster: Cluster, path: str, document: dict[str, Any]) -> None:
    fault = always(lambda request: request.path == path, lambda exchange: exchange.answer(200, document))
    with (
        front(cluster, fault) as proxy,
        connecting.connection(proxy.url) as connection,
        pytest.raises(KubeError, match="invalid API discovery response"),
    ):
        discover(connection)


def test_discovery_without_aggregation(cluster: Cluster) -> None:
    with front(cluster) as proxy, connecting.connection(proxy.url) as connection:
        new = discover(connection)
    with front(cluster, older(cluster)) as proxy, connecting.connection(proxy.url) as connection:
        old = discover(connection)
        groups = [request.path for request in proxy.requests]
    builtin = [served for served in new.kinds if served.group in {"", "apps", "batch", "autoscaling", "policy"}]
    assert [served for served in old.kinds if served in builtin] == builtin
    assert builtin
    assert "/apis/apps/v1" in groups
    assert new.failed.keys() == old.failed.keys() == {"metrics.k8s.io"}


def nested(exchange: Exchange) -> None:
    exchange.answer(200, b'{"a":' * 5000 + b"1" + b"}" * 5000)


def test_unreadable_group_keeps_connection_open(cluster: Cluster) -> None:
    fault = always(lambda request: request.path == "/apis/apps/v1", nested)
    with front(cluster, older(cluster), fault) as proxy, connecting.connection(proxy.url) as connection:
        with pytest.raises(UnreadableResponseError):
            discover(connection)
        assert connection.get("/version", dict[str, Any])


def test_failed_review_stops_others_and_keeps_connection_open(cluster: Cluster) -> None:
    permissions = [Permission("list", "", f"kind-{number}") for number in range(100)]
    reviews = always(
        lambda request: request.method == "POST", lambda exchange: exchange.refuse(403, "Forbidden", "not you")
    )
    with front(cluster, reviews) as proxy, connecting.connection(proxy.url) as connection:
        with pytest.raises(ApiError, match="not you"):
            review_permissions(connection, permissions)
        assert len(proxy.requests) < len(permissions)
        assert connection.get("/version", dict[str, Any])


@pytest.mark.parametrize(
    "document",
    [{}, {"kind": "Status", "status": "Success"}, {"kind": "APIResourceList", "resources": None}],
    ids=["empty", "status", "null"],
)
def test_invalid_group_is_not_empty(cluster: Cluster, document: dict[str, Any]) -> None:
    fault = always(lambda request: request.path == "/apis/apps/v1", lambda exchange: exchange.answer(200, document))
    with front(cluster, older(cluster), fault) as proxy, connecting.connection(proxy.url) as connection:
        catalogue = discover(connection)
    assert "invalid or incomplete document" in catalogue.failed["apps"]
    assert catalogue.find("batch", "Job")


@pytest.mark.parametrize("wait", ["page", "retry"])
def test_close_wakes_waiting_threads(cluster: Cluster, filled_namespace: str, wait: str) -> None:
    """A thread that waits for a response or for a retry ends with the connection."""
    silent, reached = threading.Event(), threading.Event()

    def hang(exchange: Exchange) -> None:
        reached.set()
        if wait == "page":
            silent.wait(30)
        else:
            exchange.refuse(503, "ServiceUnavailable", "later", headers={"Retry-After": "60"})

    query = ListQuery(served=connecting.CONFIG_MAPS, namespace=filled_namespace)
    retry_policy = msgspec.structs.replace(connecting.HURRIED, read_timeout=60, max_wait=60, total_timeout=200)
    with front(cluster, always(PAGES, hang)) as proxy, ThreadPoolExecutor() as pool:
        connection = connecting.connection(proxy.url, retry_policy=retry_policy)
        running = pool.submit(lambda: list(Listing(connection, query)))
        assert reached.wait(20)
        connection.close()
        error = running.exception(timeout=10)
        silent.set()
    assert isinstance(error, ConnectionLostError)


def test_socket_closes_after_last_reader(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a reader could read from the reused number of a closed socket."""
    closed: list[httpx2.Client] = []

    def close(client: httpx2.Client) -> None:
        closed.append(client)

    monkeypatch.setattr(httpx2.Client, "close", close)
    with front(cluster) as proxy:
        connection = connecting.connection(proxy.url)
        with connection.stream("/version", {}, read_timeout=60):
            assert connection.get("/version", dict[str, Any])
            connection.close()
            assert closed == []
        assert len(closed) == 1


def test_closed_connection_sends_nothing(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        connection: KubeConnection = connecting.connection(proxy.url)
        connection.close()
        with pytest.raises(ConnectionLostError, match="closed"):
            connection.get("/version", dict[str, Any])
        assert proxy.requests == []


def test_proxy_without_faults_is_transparent(cluster: Cluster, filled_namespace: str, expected_uids: set[str]) -> None:
    """Checks the fault proxy itself: without faults it behaves like the API server."""
    faults: tuple[Fault, ...] = (times(1, PAGES, lambda exchange: exchange.refuse(403, "Forbidden", "not you")),)
    with front(cluster, *faults) as proxy:
        with pytest.raises(ApiError, match="not you"):
            list_uids(proxy.url, filled_namespace)
        assert set(list_uids(proxy.url, filled_namespace)) == expected_uids
