"""Reverse proxy on the loopback address in front of a real API server, with faults injected by tests.

Forwards everything else unchanged over TLS, and records requests and responses.
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


class ReceivedRequest(msgspec.Struct, frozen=True):
    """A request: path without query, query parameters, and headers by lower-case name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def kind(self) -> str:
        """The resource of a list: the last segment of the path."""
        return self.path.rpartition("/")[2]


class ServerResponse(msgspec.Struct, frozen=True):
    """A response of the API server; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


class Exchange:
    """A request and its response: send exactly one response, or none with `drop`."""

    def __init__(
        self,
        request: ReceivedRequest,
        handler: http.server.BaseHTTPRequestHandler,
        real: Callable[[], ServerResponse],
        sent: list[bytes],
    ) -> None:
        self.request = request
        self.real = real
        """Forwards the request to the API server and returns its response."""
        self._handler = handler
        self._sent = sent

    def answer(
        self,
        status: int,
        body: Any,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Send a response; `length` overrides Content-Length."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        # Before it is sent: the client may have read all of it when this thread continues.
        self._sent.append(content)
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
        """Send a refusal as a Kubernetes Status."""
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status}
        headers = more.pop("headers", None)
        self.answer(status, body | {"reason": reason, "message": message} | more, headers=headers)

    def forward(self) -> None:
        """Send the response of the API server."""
        response = self.real()
        self.answer(response.status, response.body, kind=response.headers.get("content-type", ""))

    def stream(self, pieces: Iterator[bytes]) -> None:
        """Send a response with status 200 that ends with the connection."""
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
        """Reset the connection without a response."""
        linger = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.connection.close()
        self._handler.close_connection = True


Fault = Callable[[Exchange], bool]
"""Sends a response and returns True, or leaves the exchange to others and returns False."""


class Front:
    """The proxy: its address, the requests it received, and the bodies it sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.faults: list[Fault] = []
        self.requests: list[ReceivedRequest] = []
        self.sent: list[bytes] = []

    def lists(self) -> list[ReceivedRequest]:
        """Return the requests for lists of objects."""
        return [request for request in self.requests if "limit" in request.query]


@contextlib.contextmanager
def front(cluster: Cluster, *faults: Fault, user: str | None = "admin") -> Iterator[Front]:
    """Run the proxy in front of `cluster`; requests without token are sent as `user`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise a body waits until the client has acknowledged the headers.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            request = ReceivedRequest(
                self.command,
                url.path,
                dict(urllib.parse.parse_qsl(url.query)),
                {name.lower(): value for name, value in self.headers.items()},
            )
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.requests.append(request)
            exchange = Exchange(request, self, lambda: _forward(cluster, user, self, body), proxy.sent)
            with contextlib.suppress(OSError):
                if not any(fault(exchange) for fault in proxy.faults):
                    exchange.forward()

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

    with serving(Handler) as port:
        proxy = Front(f"http://127.0.0.1:{port}")
        proxy.faults.extend(faults)
        yield proxy


def times(number: int, matches: Callable[[ReceivedRequest], bool], fault: Callable[[Exchange], object]) -> Fault:
    """Return a fault of the first `number` requests that match."""
    lock = threading.Lock()
    left = [number]

    def spoil(exchange: Exchange) -> bool:
        with lock:
            if not left[0] or not matches(exchange.request):
                return False
            left[0] -= 1
        fault(exchange)
        return True

    return spoil


def each(number: int, matches: Callable[[ReceivedRequest], bool], fault: Callable[[Exchange], object]) -> Fault:
    """Return a fault of the first `number` matching requests of each path."""
    faults: dict[str, Fault] = {}
    lock = threading.Lock()

    def spoil(exchange: Exchange) -> bool:
        with lock:
            fault_of_path = faults.setdefault(exchange.request.path, times(number, matches, fault))
        return fault_of_path(exchange)

    return spoil


def always(matches: Callable[[ReceivedRequest], bool], fault: Callable[[Exchange], object]) -> Fault:
    """Return a fault of every request that matches."""

    def spoil(exchange: Exchange) -> bool:
        if not matches(exchange.request):
            return False
        fault(exchange)
        return True

    return spoil


def page_of(resource: str, number: int = 0) -> Callable[[ReceivedRequest], bool]:
    """Return a matcher of list requests of a resource: the first page (1), later pages (2), or any page (0)."""

    def matches(request: ReceivedRequest) -> bool:
        return request.kind == resource and (number == 0 or (number == 2) == ("continue" in request.query))

    return matches


def older(cluster: Cluster) -> Fault:
    """Return a server without aggregated discovery, as before Kubernetes 1.26."""

    def answer(exchange: Exchange) -> bool:
        if exchange.request.path not in {"/api", "/apis"}:
            return False
        exchange.answer(200, cluster.admin("GET", exchange.request.path))
        return True

    return answer


def _forward(
    cluster: Cluster, user: str | None, handler: http.server.BaseHTTPRequestHandler, body: bytes
) -> ServerResponse:
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
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    response_headers = {name.lower(): value for name, value in response.getheaders()}
    if response_headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    return ServerResponse(response.status, response_headers, content)
