"""A small real proxy on the loopback address that knows CONNECT alone. It reads nothing of what it carries."""

from __future__ import annotations

import base64
import contextlib
import http.server
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any


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

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever goes away has had enough."""

    with Server(("127.0.0.1", 0), Handler) as server:
        found = Proxy(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side has had enough."""
    while True:
        for ready in select.select([one, other], [], [], 60)[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
