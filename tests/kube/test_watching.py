"""Watches against a real API server and a front that spoils them: in the end it is known what is there, whatever happens."""

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
from tests.kube.faults import Asked, Exchange, Front, front, times

QUICK = WatchTiming(stream=30, silence=20, first_wait=0.02, longest_wait=0.1, refused=0.1)
Spoil = Callable[[Iterator[bytes]], Iterator[bytes]]


class Seen:
    """What a watch shows of the ConfigMaps of a namespace: names and what they say, and what happened."""

    def __init__(
        self, server: str, namespace: str, pace: WatchTiming = QUICK, *, metadata_only: bool = False, name: str = ""
    ) -> None:
        self.said: dict[str, Any] = {}
        self.events: list[ObjectEvent] = []
        self.items: list[dict[str, Any]] = []
        self._connection = connection(server)
        self._stopped = threading.Event()
        query = ListQuery(served=CONFIG_MAPS, namespace=namespace, metadata_only=metadata_only, name=name)
        self._thread = threading.Thread(target=self._read, args=(query, pace))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._connection.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def interrupt(self) -> None:
        """Break off what is under way."""
        self._connection.interrupt()

    def of(self, kind: type) -> list[ObjectEvent]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def _read(self, query: ListQuery, pace: WatchTiming) -> None:
        listing: set[str] = set()
        for event in watch_objects(self._connection, query, self._stopped, pace):
            self.events.append(event)
            match event:
                case PageListed(items, first):
                    listing = set() if first else listing
                    listing |= {self._put(item) for item in items}
                case ListCompleted():
                    self.said = {name: value for name, value in self.said.items() if name in listing}
                case ObjectChanged(item):
                    self._put(item)
                case ObjectDeleted(item):
                    self.said.pop(item["metadata"]["name"], None)
                case WatchRefused():
                    self.said = {}

    def _put(self, item: dict[str, Any]) -> str:
        self.items.append(item)
        name = str(item["metadata"]["name"])
        self.said[name] = (item.get("data") or {}).get("key")
        return name


def there(cluster: Cluster, namespace: str) -> dict[str, Any]:
    items = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    return {item["metadata"]["name"]: (item.get("data") or {}).get("key") for item in items}


def said(cluster: Cluster, namespace: str, name: str, value: str) -> None:
    """Let a ConfigMap say something."""
    metadata = {"name": name, "namespace": namespace}
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}])


def lives(cluster: Cluster, namespace: str, seen: Seen, about: str) -> None:
    """Let objects come, change and go until all of it has been seen, and not by the first list alone."""
    eventually(lambda: seen.of(ListCompleted))
    for number in range(3):
        said(cluster, namespace, f"{about}-{number}", "first")
        said(cluster, namespace, f"{about}-{number}", "second")
    cluster.delete(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{about}-0", "namespace": namespace}}
    )
    eventually(lambda: seen.said == there(cluster, namespace))


def is_watch(asked: Asked) -> bool:
    return "watch" in asked.query


def relayed(cluster: Cluster, spoil: Spoil) -> Callable[[Exchange], None]:
    """Hands on what the API server streams, line by line, as `spoil` leaves it."""

    def relay(exchange: Exchange) -> None:
        context = ssl.create_default_context(cafile=cluster.authority)
        pair = cluster.layout.pair("admin")
        context.load_cert_chain(pair.certificate, pair.key)
        asked = exchange.asked
        real = http.client.HTTPSConnection(urllib.parse.urlsplit(cluster.address).netloc, timeout=30, context=context)
        real.request(
            "GET",
            f"{asked.path}?{urllib.parse.urlencode(dict(asked.query))}",
            headers={"Accept": asked.headers["accept"]},
        )
        exchange.stream(spoil(iter(real.getresponse().readline, b"")))
        real.close()

    return relay


def as_it_is(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield from lines


def cut_inside_a_line(lines: Iterator[bytes]) -> Iterator[bytes]:
    first = next(lines, b"")
    yield first[: len(first) // 2]


def ends_behind_a_line(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield next(lines, b"")


def in_small_pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield from (line[at : at + 7] for at in range(0, len(line), 7))


def with_nonsense(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield next(lines, b"")
    yield b'{"type":"MODIFIED","object":[]}\n'
    yield from lines


def without_a_version(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield b'{"type":"MODIFIED","object":{"metadata":{"name":"nobody"}}}\n'
    yield from lines


def error(code: int) -> Spoil:
    def spoil(lines: Iterator[bytes]) -> Iterator[bytes]:
        yield next(lines, b"")
        yield b'{"type":"ERROR","object":{"kind":"Status","code":%d,"message":"no more"}}\n' % code

    return spoil


def at_once(_: Iterator[bytes]) -> Iterator[bytes]:
    yield b""


@pytest.fixture
def before(cluster: Cluster, namespace: str) -> Iterator[Front]:
    """A front that hands streams on."""
    with front(cluster) as found:
        found.faults.append(lambda exchange: is_watch(exchange.asked) and not relayed(cluster, as_it_is)(exchange))
        config_maps(cluster, namespace, ["old-1", "old-2"])
        yield found


@pytest.mark.parametrize(
    "spoil",
    [
        as_it_is,
        cut_inside_a_line,
        ends_behind_a_line,
        in_small_pieces,
        with_nonsense,
        without_a_version,
        error(500),
        at_once,
    ],
)
def test_streams_that_fail_are_taken_up_again(cluster: Cluster, namespace: str, before: Front, spoil: Spoil) -> None:
    before.faults.insert(0, times(2, is_watch, relayed(cluster, spoil)))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
        lives(cluster, namespace, seen, "two")
    assert len(seen.of(ListCompleted)) == 1
    assert "nobody" not in seen.said
    assert bool(seen.of(WatchLost)) == (spoil not in (as_it_is, in_small_pieces, ends_behind_a_line))
    assert len(seen.of(WatchResumed)) >= bool(seen.of(WatchLost))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_servers_that_stumble_are_asked_again(cluster: Cluster, namespace: str, before: Front, status: int) -> None:
    before.faults.insert(0, times(2, is_watch, lambda exchange: exchange.refuse(status, "Busy", "later")))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    assert len(seen.of(WatchLost)) == 2
    assert len(seen.of(ListCompleted)) == 1


def test_connections_that_break_are_made_anew(cluster: Cluster, namespace: str, before: Front) -> None:
    before.faults.insert(0, times(3, is_watch, Exchange.drop))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    assert len(seen.of(WatchLost)) == 3


@pytest.mark.parametrize("inside", [True, False])
def test_a_version_that_is_forgotten_means_a_new_list(
    cluster: Cluster, namespace: str, before: Front, *, inside: bool
) -> None:
    gone = relayed(cluster, error(410)) if inside else (lambda exchange: exchange.refuse(410, "Expired", "too old"))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    before.faults.insert(0, times(1, is_watch, gone))
    with Seen(before.url, namespace) as seen:
        eventually(lambda: seen.said == there(cluster, namespace))
        # What goes while nobody looks is not there in the new list.
        lives(cluster, namespace, seen, "two")
        eventually(lambda: len(seen.of(ListCompleted)) == 2)
        lives(cluster, namespace, seen, "three")
    assert not seen.of(WatchLost)


def test_a_bookmark_is_where_the_next_stream_begins(cluster: Cluster, namespace: str, before: Front) -> None:
    def bookmarked(_: Iterator[bytes]) -> Iterator[bytes]:
        yield b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"%s"}}}\n' % newest

    newest = cluster.admin("GET", "/api/v1/namespaces")["metadata"]["resourceVersion"].encode()
    before.faults.insert(0, times(1, is_watch, relayed(cluster, bookmarked)))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    streams = [asked for asked in before.asked if is_watch(asked)]
    assert streams[1].query["resourceVersion"] == newest.decode()
    assert streams[0].query["allowWatchBookmarks"] == "true"


def test_a_refusal_is_told_and_asked_about_again(cluster: Cluster, namespace: str, before: Front) -> None:
    before.faults.insert(0, times(1, is_watch, lambda exchange: exchange.refuse(403, "Forbidden", "not you")))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    assert seen.of(WatchRefused) == [WatchRefused("not you", "watch")]
    assert len(seen.of(ListCompleted)) == 2


@pytest.mark.parametrize("depth", [2000, 100_000])
def test_an_object_that_is_nested_too_deeply_is_told(
    cluster: Cluster, namespace: str, before: Front, depth: int
) -> None:
    """It must not end the thread that waits for others."""

    def deep(lines: Iterator[bytes]) -> Iterator[bytes]:
        inside = b'{"a":' * depth + b"1" + b"}" * depth
        yield b'{"type":"ADDED","object":{"metadata":{"name":"deep","resourceVersion":"1"},"data":%s}}\n' % inside
        yield from lines

    before.faults.insert(0, times(1, is_watch, relayed(cluster, deep)))
    with Seen(before.url, namespace) as seen:
        eventually(lambda: seen.of(WatchRefused))
        lives(cluster, namespace, seen, "one")
    assert seen.of(WatchRefused) == [
        WatchRefused("the API server answers an object that is nested too deeply", "watch")
    ]
    assert len(seen.of(ListCompleted)) == 2


def test_of_some_kinds_nothing_but_metadata_comes(cluster: Cluster, namespace: str, before: Front) -> None:
    with Seen(before.url, namespace, metadata_only=True) as seen:
        said(cluster, namespace, "one", "a secret")
        eventually(lambda: "one" in seen.said)
        said(cluster, namespace, "one", "another")
        cluster.delete({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace}})
        eventually(lambda: "one" not in seen.said)
    assert {tuple(sorted(item)) for item in seen.items} == {("apiVersion", "kind", "metadata")}
    assert {(item["apiVersion"], item["kind"]) for item in seen.items} == {("v1", "ConfigMap")}
    assert all("managedFields" not in item["metadata"] for item in seen.items)


def test_silence_is_no_news(cluster: Cluster, namespace: str, before: Front) -> None:
    waiting = threading.Event()

    def hang(exchange: Exchange) -> None:
        exchange.stream(b"" for _ in range(1) if waiting.wait(20))

    before.faults.insert(0, times(1, is_watch, hang))
    with Seen(before.url, namespace, WatchTiming(silence=0.5, first_wait=0.02, longest_wait=0.1, refused=0.1)) as seen:
        lives(cluster, namespace, seen, "one")
        waiting.set()
    assert seen.of(WatchLost)


def test_what_is_interrupted_is_taken_up_again_where_it_was(cluster: Cluster, namespace: str, before: Front) -> None:
    def streams() -> int:
        return sum(map(is_watch, before.asked))

    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
        begun = streams()
        seen.interrupt()
        eventually(lambda: streams() > begun)
        lives(cluster, namespace, seen, "two")
    assert len(seen.of(ListCompleted)) == 1


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_who_is_not_known_is_lost_and_not_refused(cluster: Cluster, namespace: str, before: Front, verb: str) -> None:
    """What was seen stays as it was: nothing is said of what one may see."""

    def fits(asked: Asked) -> bool:
        return asked.kind == "configmaps" and is_watch(asked) == (verb == "watch")

    before.faults.insert(0, times(2, fits, lambda exchange: exchange.refuse(401, "Unauthorized", "who are you")))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    assert seen.of(WatchLost)
    assert not seen.of(WatchRefused)
    assert len(seen.of(ListCompleted)) == 1


def test_a_kind_that_is_not_served_is_lost_and_said_to_be(cluster: Cluster, namespace: str, before: Front) -> None:
    def fits(asked: Asked) -> bool:
        return asked.kind == "configmaps" and is_watch(asked)

    before.faults.insert(0, times(2, fits, lambda exchange: exchange.refuse(404, "NotFound", "no such kind")))
    with Seen(before.url, namespace) as seen:
        lives(cluster, namespace, seen, "one")
    assert seen.of(WatchLost) == [WatchLost("no such kind", is_served=False)] * 2
    assert len(seen.of(ListCompleted)) == 1


def test_one_object_is_looked_at_again_and_again(cluster: Cluster, namespace: str) -> None:
    """By who may get it and neither list nor watch: nothing is told but what is another thing than before."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get"]}
    user = f"getter-of-{namespace}"
    cluster.user(user, [rule])
    path = f"/api/v1/namespaces/{namespace}/configmaps/one"
    with (
        front(cluster, user=user) as proxy,
        Seen(proxy.url, namespace, msgspec.structs.replace(QUICK, poll=0.02), name="one") as seen,
    ):
        eventually(lambda: len(proxy.asked) > 3)
        assert seen.events == [PageListed([], first=True), ListCompleted()]
        said(cluster, namespace, "one", "first")
        eventually(lambda: seen.said == {"one": "first"})
        said(cluster, namespace, "one", "second")
        eventually(lambda: seen.said == {"one": "second"})
        many = len(seen.events)
        before = len(proxy.asked)
        eventually(lambda: len(proxy.asked) > before + 3)
        assert len(seen.events) == many
        cluster.admin("DELETE", path)
        eventually(lambda: seen.said == {})
        assert {asked.path for asked in proxy.asked} == {path}
    assert seen.of(WatchRefused) == []
