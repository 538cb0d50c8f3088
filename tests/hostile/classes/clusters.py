"""Kubeconfigs, and answers of an API server."""

from __future__ import annotations

import collections
import contextlib
import functools
import http.server
import itertools
import json
import random
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.hostile.member import REPORT, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, mutate

_SCAN: Final = ("scan", "control", "C-0057", "--kubeconfig", "k", "--no-host-scan", *REPORT)


def _kubeconfig(server: str, **user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "l", "user": "u", "namespace": "n"}}],
        "clusters": [
            {"name": "l", "cluster": {"server": server, "tls-server-name": "a", "certificate-authority-data": "YQ=="}}
        ],
        "users": [{"name": "u", "user": {"token": "t", **user}}],
    }


@hostile_class("kubeconfigs")
def kubeconfigs(source: random.Random) -> Iterator[Member]:
    """Kubeconfigs in which one value is of another type, and files that are broken or endless."""
    valid = _kubeconfig("http://127.0.0.1:1")
    for name, changed in mutate(valid, source, 20):
        yield Member(name, {"k": dump(changed)}, Expected.REFUSED, _SCAN, environment={"TEST_PORT": "1"})
    contents: tuple[Content, ...] = (
        "",
        "[",
        "text",
        "\x00",
        "a: &a [*a]",
        b"\xff",
        "[" * 10_000,
        Link("/dev/zero"),
        Special.FOLDER,
    )
    for content in contents:
        yield Member(f"content {str(content)[:20]!r}", {"k": content}, Expected.REFUSED, _SCAN)
    for name, text in TEXTS.items():
        yield Member(
            f"token {name}",
            {"k": dump(_kubeconfig("http://127.0.0.1:1", token=text))},
            Expected.REFUSED,
            _SCAN,
            environment={"TEST_PORT": "1"},
        )
        yield Member(f"server {name}", {"k": dump(_kubeconfig(text))}, Expected.REFUSED, _SCAN)
    for key in ("tokenFile", "client-certificate", "client-key"):
        for target in ("/dev/zero", "pipe", "missing", "k"):
            files: dict[str, Content] = {
                "k": dump(_kubeconfig("http://127.0.0.1:1", **{key: target})),
                "pipe": Special.FIFO,
            }
            yield Member(f"{key} {target}", files, Expected.REFUSED, _SCAN, environment={"TEST_PORT": "1"})


_WATCH: Final = ("watch", "control", "C-0057", "--kubeconfig", "k", "--no-host-scan", "--format", "json")
_STATUS: Final = re.compile(rb"(4\d\d){")
"""Status of an answer before its body."""
_COUNTERS: Final[dict[tuple[int, str], Iterator[int]]] = collections.defaultdict(itertools.count)
_PODS: Final[dict[str, Any]] = {
    "kind": "PodList",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "1"},
    "items": [
        {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    ],
}
_RESOURCES: Final = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "v1",
    "resources": [
        {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["list", "get", "watch"]}
    ],
}
_CATALOGUE: Final = {
    "/version": b'{"major": "1", "minor": "34", "gitVersion": "v1.34.0"}',
    "/api": b'{"kind": "APIVersions", "versions": ["v1"]}',
    "/apis": b'{"kind": "APIGroupList", "apiVersion": "v1", "groups": []}',
    "/api/v1": json.dumps(_RESOURCES).encode(),
}
_MISSING: Final = b'404{"kind": "Status", "code": 404}'
_EVERYWHERE: Final = ""
"""Path of a body that answers all requests."""
_SERVED: list[Mapping[str, Sequence[bytes] | bytes]] = []
"""Bodies by path of each server; several ones answer requests in turn, and begin again."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """An API server whose answers are the member's bodies."""

    def do_GET(self) -> None:
        number, _, path = self.path[1:].partition("/")
        is_watch = "watch=true" in path
        path = f"/{path.partition('?')[0]}{'?watch' if is_watch else ''}"
        served = _SERVED[int(number)]
        bodies = served.get(path, served.get(_EVERYWHERE, _MISSING))
        body = bodies if isinstance(bodies, bytes) else bodies[next(_COUNTERS[int(number), path]) % len(bodies)]
        status = _STATUS.match(body)
        body = body[3:] if status else body
        self.send_response(int(status[1]) if status else 200)
        self.send_header("Content-Type", "application/json")
        if not is_watch:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name in the base class

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


@functools.cache
def _serve() -> int:
    """Start the server once and return its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


@hostile_class("answers of an API server")
def answers(source: random.Random) -> Iterator[Member]:
    """Lists and catalogues in which one value is of another type, damaged ones, and endless pages."""
    bodies: dict[str, bytes] = {}
    for document in (_PODS, _RESOURCES):
        for name, changed in mutate(document, source, 10):
            bodies[f"{document['kind']}: {name}"] = dump(changed).encode("utf-8", "surrogatepass")
    bodies |= dict(damage(json.dumps(_RESOURCES).encode(), source, 8))
    bodies["nested"] = b"[" * 100_000
    bodies["nested objects"] = b'{"items":' * 50_000
    bodies["endless pages"] = dump({**_PODS, "metadata": {"continue": "x", "resourceVersion": "1"}}).encode()
    bodies["not JSON"] = b"\xff\x00"
    bodies["empty"] = b""
    bodies["HTML"] = b"<html><script>alert(1)</script>"
    for name, body in bodies.items():
        yield _connect(name, {_EVERYWHERE: body})


def _connect(
    name: str,
    served: Mapping[str, Sequence[bytes] | bytes],
    expected: Expected = Expected.EITHER,
    arguments: tuple[str, ...] = _SCAN,
    interrupt_after: float = 0,
) -> Member:
    """Return a scan or watch of a server."""
    _SERVED.append(served)
    port = _serve()
    files = {"k": dump(_kubeconfig(f"http://127.0.0.1:{port}/{len(_SERVED) - 1}"))}
    environment = {"TEST_PORT": str(port)}
    return Member(name, files, expected, arguments, environment=environment, interrupt_after=interrupt_after)


def _list_pages(source: random.Random) -> Iterator[tuple[str, Sequence[bytes] | bytes]]:
    """Yield hostile lists of Pods, as one answer or as one for each request."""
    for name, changed in mutate(_PODS, source, 24):
        yield name, dump(changed).encode("utf-8", "surrogatepass")
    for name, body in damage(json.dumps(_PODS).encode(), source, 12):
        yield name, body
    pod = _PODS["items"][0]
    many = [{**pod, "metadata": {**pod["metadata"], "uid": str(n), "name": f"a{n}"}} for n in range(500)]
    empty = {**_PODS, "items": []}

    def page(items: list[Any], token: str, version: str = "1") -> bytes:
        return dump({**_PODS, "items": items, "metadata": {"continue": token, "resourceVersion": version}}).encode()

    yield "one token for ever", page([pod], "x")
    yield "two tokens in turn", [page([pod], "x"), page([pod], "y")]
    yield "empty pages for ever", [page([], str(n)) for n in range(401)]
    yield "new objects for ever", [page(many, str(n)) for n in range(7)]
    yield "version changes", [page([pod], str(n % 3), str(n)) for n in range(5)]
    yield "token of another type", dump({**empty, "metadata": {"continue": {"a": 1}}}).encode()
    yield "token of 1 MB", [page([pod], "x" * 1_000_000), page([pod], "y" * 1_000_000)]
    yield "token with controls", [page([pod], "\r\nX: y\x00\x1b[31m&limit=1"), page([], "")]
    yield "expired for ever", b'410{"kind": "Status", "code": 410, "reason": "Expired", "metadata": {"continue": "x"}}'
    yield (
        "expired after a page",
        [page([pod], "x"), b'410{"kind": "Status", "code": 410, "metadata": {"continue": "y"}}'],
    )
    yield "object of 20 MB", page([{**pod, "data": "x" * 20_000_000}], "")
    yield "list of another kind", dump({**_PODS, "kind": "SecretList"}).encode()
    yield "status in place of a list", b'{"kind": "Status", "status": "Failure", "message": "\\u001b[31m"}'
    yield (
        "nested object",
        b'{"kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "a"}, "spec": ' + b'{"a":' * 50_000,
    )
    yield "objects without names", page([{}, {"metadata": {}}, {"metadata": {"name": 5}}, {"metadata": None}], "")
    yield "objects of other kinds", page([{**pod, "kind": "Secret", "apiVersion": "v9"}], "")
    for name, text in TEXTS.items():
        yield f"name with {name}", page([{**pod, "metadata": {"name": text, "namespace": text, "uid": text}}], "")


@hostile_class("lists of an API server")
def pages(source: random.Random) -> Iterator[Member]:
    """Lists of a server whose catalogue is valid, with pages without an end, and objects of other types."""
    for name, answer in _list_pages(source):
        yield _connect(name, {**_CATALOGUE, "/api/v1/pods": answer, "/api/v1/namespaces/n/pods": answer})


@hostile_class("watches of an API server")
def watches(source: random.Random) -> Iterator[Member]:
    """Streams of events: of other types, cut off, without an end, with errors; a watch ends when it is interrupted."""
    pod = {**_PODS["items"][0], "apiVersion": "v1", "kind": "Pod"}
    pod = {**pod, "metadata": {**pod["metadata"], "resourceVersion": "2"}}
    event = {"type": "ADDED", "object": pod}
    streams: dict[str, Sequence[bytes] | bytes] = {}
    for name, changed in mutate(event, source, 24):
        streams[name] = dump(changed).encode("utf-8", "surrogatepass") + b"\n"
    streams |= dict(damage((json.dumps(event) + "\n").encode() * 3, source, 12))
    expired = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410}}\n'
    streams |= {
        "expired for ever": expired,
        "expired status for ever": b'410{"kind": "Status", "code": 410}',
        "error of another type": b'{"type": "ERROR", "object": {"code": "x", "message": ["\\u001b[31m"]}}\n',
        "unknown event": dump({**event, "type": "\x1b[31m"}).encode() + b"\n",
        "bookmark without a version": b'{"type": "BOOKMARK", "object": {"metadata": {}}}\n',
        "deletion of an unknown object": dump({**event, "type": "DELETED"}).encode() + b"\n",
        "versions that go back": b"".join(
            dump({**event, "object": {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(9 - n)}}}).encode()
            + b"\n"
            for n in range(9)
        ),
        "version with controls": dump(
            {**event, "object": {**pod, "metadata": {**pod["metadata"], "resourceVersion": "\r\n\x00&a"}}}
        ).encode()
        + b"\n",
        "line of 70 MB": b'{"type": "ADDED", "object": {"a": "' + b"x" * 70_000_000,
        "object of 10 MB": dump({**event, "object": {**pod, "data": "x" * 10_000_000}}).encode() + b"\n",
        "20,000 events": b"".join(
            dump(
                {
                    **event,
                    "object": {
                        **pod,
                        "metadata": {"name": f"p{n}", "namespace": "b", "uid": str(n), "resourceVersion": str(n)},
                    },
                }
            ).encode()
            + b"\n"
            for n in range(20_000)
        ),
        "empty lines": b"\n" * 1_000_000,
        "nested event": b'{"type": "ADDED", "object": ' + b'{"a":' * 50_000 + b"\n",
        "not JSON": b"\xff\x00\n" * 1_000,
        "nothing": b"",
        "objects in turn": [
            dump({**event, "type": kind}).encode() + b"\n" for kind in ("ADDED", "DELETED", "MODIFIED")
        ],
    }
    listed = dump(_PODS).encode()
    for name, stream in streams.items():
        served = {**_CATALOGUE, "/api/v1/pods": listed, "/api/v1/pods?watch": stream}
        yield _connect(name, served, Expected.EITHER, _WATCH, interrupt_after=0.7)
