"""An HTTP front on the loopback address before a real API server, which spoils answers as a test says.

It forwards everything else as it is, over TLS, and remembers what was asked and what was answered.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tests.cluster.cluster import Cluster
from tests.loopback import serving

_SECONDS = 60


class Asked(msgspec.Struct, frozen=True):
    """A request: its path without the query, the query, and its headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def kind(self) -> str:
        """The resource that a list is of; the last part of the path."""
        return self.path.rpartition("/")[2]


class Answer(msgspec.Struct, frozen=True):
    """What the API server answered: `body` as it is before any compression."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Exchange:
    """One request and what becomes of it: give one answer, or none by `drop`."""

    def __init__(self, asked: Asked, handler: http.server.BaseHTTPRequestHandler, real: Callable[[], Answer]) -> None:
        self.asked = asked
        self.real = real
        """Asks the API server."""
        self._handler = handler
        self.sent = b""

    def answer(
        self,
        status: int,
        body: Any,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Send an answer; `length` is the Content-Length to lie about."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.sent = content
        handler = self._handler
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        if length is not None:
            handler.close_connection = True

    def refuse(self, status: int, reason: str, message: str, **more: Any) -> None:
        """Send a refusal as Kubernetes words it."""
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status}
        headers = more.pop("headers", None)
        self.answer(status, body | {"reason": reason, "message": message} | more, headers=headers)

    def forward(self) -> None:
        """Send what the API server answers."""
        found = self.real()
        self.answer(found.status, found.body, kind=found.headers.get("content-type", ""))

    def stream(self, pieces: Iterator[bytes]) -> None:
        """Send a good answer whose end is the end of the connection."""
        handler = self._handler
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Connection", "close")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for piece in pieces:
                handler.wfile.write(piece)
        handler.close_connection = True

    def drop(self) -> None:
        """Break the connection off without a word."""
        linger = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.connection.close()
        self._handler.close_connection = True


Fault = Callable[[Exchange], bool]
"""Gives an answer and says so, or leaves the exchange to others."""


class Front:
    """The front: its address, what was asked of it, and what it has sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.sent: list[bytes] = []

    def lists(self) -> list[Asked]:
        """The requests for lists of objects."""
        return [asked for asked in self.asked if "limit" in asked.query]


@contextlib.contextmanager
def front(cluster: Cluster, *faults: Fault, user: str | None = "admin") -> Iterator[Front]:
    """A front before the API server of `cluster`, which takes everybody without a token for `user`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            asked = Asked(
                self.command,
                url.path,
                dict(urllib.parse.parse_qsl(url.query)),
                {name.lower(): value for name, value in self.headers.items()},
            )
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.asked.append(asked)
            exchange = Exchange(asked, self, lambda: _forwarded(cluster, user, self, body))
            with contextlib.suppress(OSError):
                if not any(fault(exchange) for fault in found.faults):
                    exchange.forward()
            found.sent.append(exchange.sent)

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

    with serving(Handler) as port:
        found = Front(f"http://127.0.0.1:{port}")
        found.faults.extend(faults)
        yield found


def times(number: int, matches: Callable[[Asked], bool], fault: Callable[[Exchange], object]) -> Fault:
    """A fault of the first `number` requests that match."""
    lock = threading.Lock()
    left = [number]

    def spoil(exchange: Exchange) -> bool:
        with lock:
            if not left[0] or not matches(exchange.asked):
                return False
            left[0] -= 1
        fault(exchange)
        return True

    return spoil


def each(number: int, matches: Callable[[Asked], bool], fault: Callable[[Exchange], object]) -> Fault:
    """A fault of the first `number` requests of every path that match."""
    faults: dict[str, Fault] = {}
    lock = threading.Lock()

    def spoil(exchange: Exchange) -> bool:
        with lock:
            one = faults.setdefault(exchange.asked.path, times(number, matches, fault))
        return one(exchange)

    return spoil


def always(matches: Callable[[Asked], bool], fault: Callable[[Exchange], object]) -> Fault:
    """A fault of every request that matches."""

    def spoil(exchange: Exchange) -> bool:
        if not matches(exchange.asked):
            return False
        fault(exchange)
        return True

    return spoil


def page_of(resource: str, number: int = 0) -> Callable[[Asked], bool]:
    """What takes requests for pages of a resource: the first page of lists (1), later ones (2), or any (0)."""

    def matches(asked: Asked) -> bool:
        return asked.kind == resource and (number == 0 or (number == 2) == ("continue" in asked.query))

    return matches


def older(cluster: Cluster) -> Fault:
    """A server that tells group by group what it serves, as before Kubernetes 1.26."""

    def answer(exchange: Exchange) -> bool:
        if exchange.asked.path not in {"/api", "/apis"}:
            return False
        exchange.answer(200, cluster.admin("GET", exchange.asked.path))
        return True

    return answer


def _forwarded(cluster: Cluster, user: str | None, handler: http.server.BaseHTTPRequestHandler, body: bytes) -> Answer:
    context = ssl.create_default_context(cafile=cluster.authority)
    token = handler.headers.get("Authorization")
    if user is not None and token is None:
        pair = cluster.layout.pair(user)
        context.load_cert_chain(pair.certificate, pair.key)
    host = urllib.parse.urlsplit(cluster.address).netloc
    connection = http.client.HTTPSConnection(host, timeout=_SECONDS, context=context)
    skipped = {"host", "connection", "content-length"}
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in skipped}
    try:
        connection.request(handler.command, handler.path, body or None, headers)
        found = connection.getresponse()
        content = found.read()
    finally:
        connection.close()
    answered = {name.lower(): value for name, value in found.getheaders()}
    if answered.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    return Answer(found.status, answered, content)
