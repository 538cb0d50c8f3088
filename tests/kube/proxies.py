"""Real proxies on the loopback address: HTTP CONNECT and SOCKS 5. They do not inspect the traffic."""

from __future__ import annotations

import base64
import contextlib
import http.server
import selectors
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import cast

from tests.loopback import serving


class Proxy:
    """Address of a proxy, and the targets it connected to."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.targets: list[str] = []


@contextlib.contextmanager
def proxy(hosts: Mapping[str, str], credentials: str = "") -> Iterator[Proxy]:
    """Run an HTTP proxy that resolves the names in `hosts`; `credentials` are required if set."""
    expected = "Basic " + base64.b64encode(credentials.encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            state.targets.append(self.path)
            if credentials and self.headers.get("Proxy-Authorization") != expected:
                self.send_error(407)
                return
            name, _, port = self.path.rpartition(":")
            with socket.create_connection((hosts.get(name, name), int(port)), timeout=60) as there:
                self.send_response(200)
                self.end_headers()
                _carry(self.connection, there)
            self.close_connection = True

    with serving(Handler) as port:
        state = Proxy(port)
        yield state


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Copy bytes in both directions until one side closes."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select(60):
                received = cast("socket.socket", key.fileobj).recv(65536)
                if not received:
                    return
                key.data.sendall(received)


@contextlib.contextmanager
def socks(hosts: Mapping[str, str], answer: bytes = b"") -> Iterator[Proxy]:
    """Run a SOCKS 5 proxy (RFC 1928) without authentication; `answer` replaces its whole response."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read(self.rfile.read(2)[1])
            if answer:
                self.wfile.write(answer)
                return
            self.wfile.write(b"\x05\x00")
            kind = self.rfile.read(4)[3]
            if kind == 3:
                name = self.rfile.read(self.rfile.read(1)[0]).decode()
            else:
                name = socket.inet_ntoa(self.rfile.read(4))
            (port,) = struct.unpack(">H", self.rfile.read(2))
            state.targets.append(f"{name}:{port}")
            with socket.create_connection((hosts.get(name, name), port), timeout=60) as there:
                self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
                _carry(self.connection, there)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state = Proxy(server.server_address[1])
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
