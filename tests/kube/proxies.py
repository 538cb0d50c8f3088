"""A small real proxy on the loopback address that knows CONNECT alone. It reads nothing of what it carries."""

from __future__ import annotations

import base64
import contextlib
import http.server
import select
import socket
from collections.abc import Iterator, Mapping

from tests.loopback import serving


class Proxy:
    """Where it listens, and where it was asked to lead."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.led: list[str] = []


@contextlib.contextmanager
def proxy(hosts: Mapping[str, str], credentials: str = "") -> Iterator[Proxy]:
    """A proxy that leads to the names of `hosts`, each with its address, and to addresses; with `credentials`, whoever has them."""
    wanted = "Basic " + base64.b64encode(credentials.encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            found.led.append(self.path)
            if credentials and self.headers.get("Proxy-Authorization") != wanted:
                self.send_error(407)
                return
            name, _, port = self.path.rpartition(":")
            with socket.create_connection((hosts.get(name, name), int(port)), timeout=10) as there:
                self.send_response(200)
                self.end_headers()
                _carry(self.connection, there)
            self.close_connection = True

    with serving(Handler) as port:
        found = Proxy(port)
        yield found


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side has had enough."""
    while True:
        for ready in select.select([one, other], [], [], 60)[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
