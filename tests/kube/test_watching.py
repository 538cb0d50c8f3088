"""Watches of a real API server through a proxy with faults: the final state is always correct."""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, Self

import msgspec
import pytest

from kubekeep.kube.listing import ListQuery
from kubekeep.kube.watching import (
    ListCompleted,
    ObjectChanged,
    ObjectDeleted,
    ObjectEvent,
    PageListed,
    WatchLost,
    WatchRefused,
    WatchResumed,
    WatchTiming,
    watch_objects,
)
from tests.cluster.cluster import Cluster, eventually
from tests.kube.connecting import CONFIG_MAPS, config_maps, connection
from tests.kube.faults import Exchange, Front, ReceivedRequest, front, times

QUICK = WatchTiming(stream_seconds=30, read_timeout=20, first_wait=0.02, max_wait=0.1, refusal_wait=0.1)
Spoil = Callable[[Iterator[bytes]], Iterator[bytes]]


class Recorder:
    """Records a watch of the ConfigMaps in a namespace: their values by name, and all events."""

    def __init__(
        self, server: str, namespace: str, timing: WatchTiming = QUICK, *, metadata_only: bool = False, name: str = ""
    ) -> None:
        self.values: dict[str, Any] = {}
        self.events: list[ObjectEvent] = []
        self.objects: list[dict[str, Any]] = []
        self._connection = connection(server)
        self._stopped = threading.Event()
        query = ListQuery(served=CONFIG_MAPS, namespace=namespace, metadata_only=metadata_only, name=name)
        self._thread = threading.Thread(target=self._read, args=(query, timing))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._connection.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def interrupt(self) -> None:
        """Abort requests in progress."""
        self._connection.interrupt()

    def filter_events(self, event_type: type) -> list[ObjectEvent]:
        """Return the events of a type."""
        return [event for event in self.events if isinstance(event, event_type)]

    def _read(self, query: ListQuery, timing: WatchTiming) -> None:
        listing: set[str] = set()
        for event in watch_objects(self._connection, query, self._stopped, timing):
            self.events.append(event)
            match event:
                case PageListed(page, first):
                    listing = set() if first else listing
                    listing |= {self._record(config_map) for config_map in page}
                case ListCompleted():
                    self.values = {name: value for name, value in self.values.items() if name in listing}
                case ObjectChanged(config_map):
                    self._record(config_map)
                case ObjectDeleted(config_map):
                    self.values.pop(config_map["metadata"]["name"], None)
                case WatchRefused():
                    self.values = {}

    def _record(self, config_map: dict[str, Any]) -> str:
        self.objects.append(config_map)
        name = str(config_map["metadata"]["name"])
        self.values[name] = (config_map.get("data") or {}).get("key")
        return name


def expected_values(cluster: Cluster, namespace: str) -> dict[str, Any]:
    config_maps = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    return {config_map["metadata"]["name"]: (config_map.get("data") or {}).get("key") for config_map in config_maps}


def set_value(cluster: Cluster, namespace: str, name: str, value: str) -> None:
    """Set the value of a ConfigMap."""
    metadata = {"name": name, "namespace": namespace}
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}])


def change_objects(cluster: Cluster, namespace: str, seen: Recorder, prefix: str) -> None:
    """Create, change and delete objects until the recorder has seen all of it, not only by its first list."""
    eventually(lambda: seen.filter_events(ListCompleted))
    for number in range(3):
        set_value(cluster, namespace, f"{prefix}-{number}", "first")
        set_value(cluster, namespace, f"{prefix}-{number}", "second")
    cluster.delete(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{prefix}-0", "namespace": namespace}}
    )
    eventually(lambda: seen.values == expected_values(cluster, namespace))


def is_watch(request: ReceivedRequest) -> bool:
    return "watch" in request.query


def relay_stream(cluster: Cluster, spoil: Spoil) -> Callable[[Exchange], None]:
    """Relay the stream of the API server line by line through `spoil`."""

    def relay(exchange: Exchange) -> None:
        context = ssl.create_default_context(cafile=cluster.authority)
        pair = cluster.layout.pair("admin")
        context.load_cert_chain(pair.certificate, pair.key)
        request = exchange.request
        real = http.client.HTTPSConnection(urllib.parse.urlsplit(cluster.address).netloc, timeout=30, context=context)
        real.request(
            "GET",
            f"{request.path}?{urllib.parse.urlencode(dict(request.query))}",
            headers={"Accept": request.headers["accept"]},
        )
        exchange.stream(spoil(iter(real.getresponse().readline, b"")))
        real.close()

    return relay


def unchanged(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield from lines


def cut_inside_a_line(lines: Iterator[bytes]) -> Iterator[bytes]:
    first = next(lines, b"")
    yield first[: len(first) // 2]


def ends_after_line(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield next(lines, b"")


def in_small_pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield from (line[at : at + 7] for at in range(0, len(line), 7))


def invalid_event(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield next(lines, b"")
    yield b'{"type":"MODIFIED","object":[]}\n'
    yield from lines


def missing_version(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield b'{"type":"MODIFIED","object":{"metadata":{"name":"nobody"}}}\n'
    yield from lines


def error(code: int) -> Spoil:
    def spoil(lines: Iterator[bytes]) -> Iterator[bytes]:
        yield next(lines, b"")
        yield b'{"type":"ERROR","object":{"kind":"Status","code":%d,"message":"no more"}}\n' % code

    return spoil


def ends_at_once(_: Iterator[bytes]) -> Iterator[bytes]:
    yield b""


@pytest.fixture
def proxy(cluster: Cluster, namespace: str) -> Iterator[Front]:
    """A proxy that relays streams."""
    with front(cluster) as server:
        server.faults.append(
            lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange)
        )
        config_maps(cluster, namespace, ["old-1", "old-2"])
        yield server


@pytest.mark.parametrize(
    "spoil",
    [
        unchanged,
        cut_inside_a_line,
        ends_after_line,
        in_small_pieces,
        invalid_event,
        missing_version,
        error(500),
        ends_at_once,
    ],
)
def test_failed_streams_resume(cluster: Cluster, namespace: str, proxy: Front, spoil: Spoil) -> None:
    proxy.faults.insert(0, times(2, is_watch, relay_stream(cluster, spoil)))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
        change_objects(cluster, namespace, seen, "two")
    assert len(seen.filter_events(ListCompleted)) == 1
    assert "nobody" not in seen.values
    assert bool(seen.filter_events(WatchLost)) == (spoil not in (unchanged, in_small_pieces, ends_after_line))
    assert len(seen.filter_events(WatchResumed)) >= bool(seen.filter_events(WatchLost))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_temporary_errors_resume(cluster: Cluster, namespace: str, proxy: Front, status: int) -> None:
    proxy.faults.insert(0, times(2, is_watch, lambda exchange: exchange.refuse(status, "Busy", "later")))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    assert len(seen.filter_events(WatchLost)) == 2
    assert len(seen.filter_events(ListCompleted)) == 1


def test_broken_connections_resume(cluster: Cluster, namespace: str, proxy: Front) -> None:
    proxy.faults.insert(0, times(3, is_watch, Exchange.drop))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    assert len(seen.filter_events(WatchLost)) == 3


@pytest.mark.parametrize("inside", [True, False])
def test_expired_version_lists_again(cluster: Cluster, namespace: str, proxy: Front, *, inside: bool) -> None:
    gone = (
        relay_stream(cluster, error(410)) if inside else (lambda exchange: exchange.refuse(410, "Expired", "too old"))
    )
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    proxy.faults.insert(0, times(1, is_watch, gone))
    with Recorder(proxy.url, namespace) as seen:
        eventually(lambda: seen.values == expected_values(cluster, namespace))
        # Objects deleted in between are missing in the new list.
        change_objects(cluster, namespace, seen, "two")
        eventually(lambda: len(seen.filter_events(ListCompleted)) == 2)
        change_objects(cluster, namespace, seen, "three")
    assert not seen.filter_events(WatchLost)


def test_stream_resumes_at_bookmark(cluster: Cluster, namespace: str, proxy: Front) -> None:
    def bookmarked(_: Iterator[bytes]) -> Iterator[bytes]:
        yield b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"%s"}}}\n' % newest

    newest = cluster.admin("GET", "/api/v1/namespaces")["metadata"]["resourceVersion"].encode()
    proxy.faults.insert(0, times(1, is_watch, relay_stream(cluster, bookmarked)))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    streams = [request for request in proxy.requests if is_watch(request)]
    assert streams[1].query["resourceVersion"] == newest.decode()
    assert streams[0].query["allowWatchBookmarks"] == "true"


def test_refusal_is_reported_and_retried(cluster: Cluster, namespace: str, proxy: Front) -> None:
    proxy.faults.insert(0, times(1, is_watch, lambda exchange: exchange.refuse(403, "Forbidden", "not you")))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    assert seen.filter_events(WatchRefused) == [WatchRefused("not you", "watch")]
    assert len(seen.filter_events(ListCompleted)) == 2


@pytest.mark.parametrize("depth", [2000, 100_000])
def test_deeply_nested_object_is_reported(cluster: Cluster, namespace: str, proxy: Front, depth: int) -> None:
    """The thread of the watch must survive."""

    def deep(lines: Iterator[bytes]) -> Iterator[bytes]:
        inside = b'{"a":' * depth + b"1" + b"}" * depth
        yield b'{"type":"ADDED","object":{"metadata":{"name":"deep","resourceVersion":"1"},"data":%s}}\n' % inside
        yield from lines

    proxy.faults.insert(0, times(1, is_watch, relay_stream(cluster, deep)))
    with Recorder(proxy.url, namespace) as seen:
        eventually(lambda: seen.filter_events(WatchRefused))
        change_objects(cluster, namespace, seen, "one")
    assert seen.filter_events(WatchRefused) == [
        WatchRefused("the API server returned an object that is nested too deeply", "watch")
    ]
    assert len(seen.filter_events(ListCompleted)) == 2


def test_metadata_only(cluster: Cluster, namespace: str, proxy: Front) -> None:
    with Recorder(proxy.url, namespace, metadata_only=True) as seen:
        set_value(cluster, namespace, "one", "a secret")
        eventually(lambda: "one" in seen.values)
        set_value(cluster, namespace, "one", "another")
        cluster.delete({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace}})
        eventually(lambda: "one" not in seen.values)
    assert {tuple(sorted(config_map)) for config_map in seen.objects} == {("apiVersion", "kind", "metadata")}
    assert {(config_map["apiVersion"], config_map["kind"]) for config_map in seen.objects} == {("v1", "ConfigMap")}
    assert all("managedFields" not in config_map["metadata"] for config_map in seen.objects)


@pytest.mark.parametrize("is_answered", [True, False])
def test_silent_stream_is_opened_again(cluster: Cluster, namespace: str, proxy: Front, is_answered: bool) -> None:  # noqa: FBT001
    """A stream without events is none that is lost: idle kinds get no bookmarks. Without an answer, it is lost."""
    waiting = threading.Event()

    def hang(exchange: Exchange) -> None:
        if is_answered:
            exchange.stream(b"" for _ in range(1) if waiting.wait(20))
        else:
            waiting.wait(20)
            exchange.drop()

    proxy.faults.insert(0, times(2, is_watch, hang))
    with Recorder(
        proxy.url, namespace, WatchTiming(read_timeout=0.5, first_wait=0.02, max_wait=0.1, refusal_wait=0.1)
    ) as seen:
        change_objects(cluster, namespace, seen, "one")
        waiting.set()
    assert bool(seen.filter_events(WatchLost)) is not is_answered
    assert sum(map(is_watch, proxy.requests)) >= 3
    assert len(seen.filter_events(ListCompleted)) == 1


def test_interrupted_watch_resumes(cluster: Cluster, namespace: str, proxy: Front) -> None:
    def streams() -> int:
        return sum(map(is_watch, proxy.requests))

    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
        begun = streams()
        seen.interrupt()
        eventually(lambda: streams() > begun)
        change_objects(cluster, namespace, seen, "two")
    assert len(seen.filter_events(ListCompleted)) == 1


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_unauthorized_is_lost_not_refused(cluster: Cluster, namespace: str, proxy: Front, verb: str) -> None:
    """Recorded objects stay: status 401 says nothing about permissions."""

    def fits(request: ReceivedRequest) -> bool:
        return request.kind == "configmaps" and is_watch(request) == (verb == "watch")

    proxy.faults.insert(0, times(2, fits, lambda exchange: exchange.refuse(401, "Unauthorized", "who are you")))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    assert seen.filter_events(WatchLost)
    assert not seen.filter_events(WatchRefused)
    assert len(seen.filter_events(ListCompleted)) == 1


def test_kind_not_served_is_lost(cluster: Cluster, namespace: str, proxy: Front) -> None:
    def fits(request: ReceivedRequest) -> bool:
        return request.kind == "configmaps" and is_watch(request)

    proxy.faults.insert(0, times(2, fits, lambda exchange: exchange.refuse(404, "NotFound", "no such kind")))
    with Recorder(proxy.url, namespace) as seen:
        change_objects(cluster, namespace, seen, "one")
    assert seen.filter_events(WatchLost) == [WatchLost("no such kind", is_served=False)] * 2
    assert len(seen.filter_events(ListCompleted)) == 1


def test_single_object_is_polled(cluster: Cluster, namespace: str) -> None:
    """The user may get the object, but not list or watch it; only changes are reported."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get"]}
    user = f"getter-of-{namespace}"
    cluster.user(user, [rule])
    path = f"/api/v1/namespaces/{namespace}/configmaps/one"
    with (
        front(cluster, user=user) as proxy,
        Recorder(proxy.url, namespace, msgspec.structs.replace(QUICK, poll_interval=0.02), name="one") as seen,
    ):
        eventually(lambda: len(proxy.requests) > 3)
        assert seen.events == [PageListed([], is_first=True), ListCompleted()]
        set_value(cluster, namespace, "one", "first")
        eventually(lambda: seen.values == {"one": "first"})
        set_value(cluster, namespace, "one", "second")
        eventually(lambda: seen.values == {"one": "second"})
        event_count = len(seen.events)
        count = len(proxy.requests)
        eventually(lambda: len(proxy.requests) > count + 3)
        assert len(seen.events) == event_count
        cluster.admin("DELETE", path)
        eventually(lambda: seen.values == {})
        assert {request.path for request in proxy.requests} == {path}
    assert seen.filter_events(WatchRefused) == []
