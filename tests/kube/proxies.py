"""Small real proxies on the loopback address: one knows CONNECT alone, one SOCKS 5. They read nothing of what they carry."""

from __future__ import annotations

import base64
import contextlib
import http.server
import select
import socket
import socketserver
import struct
import threading
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


@contextlib.contextmanager
def socks(hosts: Mapping[str, str], answer: bytes = b"") -> Iterator[Proxy]:
    """A proxy that speaks SOCKS 5 (RFC 1928) and asks nobody who they are; with an `answer`, that is all it says."""

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
            found.led.append(f"{name}:{port}")
            with socket.create_connection((hosts.get(name, name), port), timeout=10) as there:
                self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
                _carry(self.connection, there)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        found = Proxy(server.server_address[1])
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
