"""A server in front of a real registry that records requests, interrupts responses and adds headers."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
import urllib.parse
from collections.abc import Callable, Iterator

import msgspec

from tests.loopback import serving


class RelayedRequest(msgspec.Struct, frozen=True):
    method: str
    path: str
    range: str
    authorization: str


class Relay:
    """Behaviour of a relay. limit: bytes of a blob after which the connection breaks; None for no limit.

    headers: added to the registry's responses. hook: answers a request instead of the registry if it returns True.
    """

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.address = ""
        self.requests: list[RelayedRequest] = []
        self.limit: int | None = None
        self.ignores_ranges = False
        self.headers: dict[str, str] = {}
        self.hook: Callable[[http.server.BaseHTTPRequestHandler], bool] = lambda _: False
        self._lock = threading.Lock()

    def count(self, method: str, part: str) -> int:
        return sum(request.method == method and part in request.path for request in self.requests)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        path = urllib.parse.urlsplit(handler.path)
        with self._lock:
            self.requests.append(
                RelayedRequest(
                    handler.command,
                    path.path,
                    handler.headers.get("Range", ""),
                    handler.headers.get("Authorization", ""),
                )
            )
        if not self.hook(handler):
            self._forward(handler, path.path)

    def _forward(self, handler: http.server.BaseHTTPRequestHandler, path: str) -> None:
        dropped = {"host", "proxy-connection", *({"range"} if self.ignores_ranges else ())}
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in dropped}
        with contextlib.closing(http.client.HTTPConnection(self.registry, timeout=60)) as connection:
            connection.request(handler.command, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
            handler.send_response(response.status)
            for name, value in (*response.getheaders(), *self.headers.items()):
                handler.send_header(name, value)
            handler.end_headers()
            limit = self.limit if "/blobs/" in path else None
            handler.wfile.write(body[:limit])
            handler.close_connection = limit is not None and len(body) > limit


@contextlib.contextmanager
def run_relay(registry: str) -> Iterator[Relay]:
    """Run a relay in front of the registry at an address."""
    relay = Relay(registry)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise a body waits until the client has acknowledged the headers.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            relay.answer(self)

        do_HEAD = do_GET  # noqa: N815 - a name of the library

    with serving(Handler) as port:
        relay.address = f"127.0.0.1:{port}"
        yield relay


def reply(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> bool:
    """Send a response; return True."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
    return True
